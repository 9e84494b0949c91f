/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libhitless: pair a paravirtual NIC (the standby) with the passthrough NIC of the same guest (the
 * primary), choose the path of a pair, and keep pairs working while NICs come and go.
 *
 *	struct hitless_handle *h;
 *	struct hitless_attach_options options = {.size = sizeof(options), .standby = "eth0"};
 *	if (hitless_open(&h) < 0 || hitless_attach(h, &options) < 0)
 *		fprintf(stderr, "%s\n", hitless_error(h));
 *	hitless_close(h);       // what is attached stays in force
 *
 * When not to use it: two NICs with two identities need routing; ports to one switch that must
 * add up their bandwidth need LACP (bonding).
 *
 * Results: a call that returns int returns 0, or a negative errno. After an error hitless_error()
 * returns a sentence: what was done, to which object, why it failed, and what to do about it.
 * After an error of hitless_attach() the machine is as it was before the call.
 *
 * Threads and processes: the library starts no thread and installs no signal handler. It keeps no
 * state outside its handles, and it writes to no file descriptor of yours. Use a handle in one
 * thread at a time; a call acts in the network namespace of the thread that makes it. To make and
 * to keep pairs a process needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN
 * (docs/operating.md).
 *
 * Versions: each struct begins with its size, and new fields are added at its end only. In a struct
 * that you fill, set size to sizeof and leave the fields that you do not use zero, which is the
 * default of every field. When a newer program sets a field that an older library does not know,
 * the library refuses the call with -E2BIG. In a struct that you are given, size says which fields
 * there are. Models, reasons and counters have names as text, so that new ones need no new header.
 *
 * Memory: what a call hands out belongs to the handle. It is valid until the same call is made again
 * on that handle, or until hitless_close(). A text may hold any bytes, because interface names may.
 */
#ifndef HITLESS_H
#define HITLESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hitless_handle;

/* Makes a handle, for hitless_close() to free. After an error *handle is NULL, and
 * hitless_error(NULL) says that memory or descriptors ran out. */
int hitless_open(struct hitless_handle **handle);
/* Frees a handle, and ends its controller if it has one; the pairs stay in force. NULL is allowed. */
void hitless_close(struct hitless_handle *handle);

/* The sentence about the last call on this handle that failed; "" when none has failed yet. */
const char *hitless_error(const struct hitless_handle *handle);
/* The version of the library: "0.2.0". */
const char *hitless_version(void);

/* Sets who is told, in lines for people, what a controller does and what a detach could not give
 * back. The function is called inside calls on this handle only; `line` is valid until it returns.
 * NULL: nobody is told. */
typedef void (*hitless_log_fn)(const char *line, void *user);
void hitless_set_log(struct hitless_handle *handle, hitless_log_fn log, void *user);

/* When a primary is used. Times are in milliseconds: 0 stands for the default, which is given here,
 * and a negative number for no time at all. */
struct hitless_policy {
	size_t size;
	int32_t hold_down_ms;      /* how long a lost primary must be good before it is used again; 200 */
	int32_t up_delay_ms;       /* from its carrier to the first probe of a primary; 20 */
	int32_t probe_interval_ms; /* between probes while the guest sends; 20; negative: no probes */
	int32_t probe_rest_ms;     /* between probes while the guest only listens; 300 */
	int32_t proof_timeout_ms;  /* until a primary is used though nobody answers on either NIC; 200 */
	uint32_t reserved;         /* 0 */
	const char *reselect;      /* "always" (NULL), "better" or "failure" */
	const char *announce;      /* "auto" (NULL), "garp" or "none" */
	const char *carrier;       /* of a failover device: "keep" (NULL) or "follow" */
};

struct hitless_attach_options {
	size_t size;
	const char *standby;   /* its interface name */
	const char *primary;   /* "auto" (NULL), "mac", an interface name, "pci:ADDRESS", "slot:NAME" or
	                          any other form in docs/configuration.md ("Naming the primary") */
	const char *model;     /* "two", "three", "hidden" or "one"; NULL: two for tc, three for xdp */
	const char *datapath;  /* "tc" (NULL), or "xdp" for guests that forward */
	const char *liveness;  /* how a frame learns that the primary is down: "best" (NULL), "cast",
	                          "probe-read" or "netlink" */
	const struct hitless_policy *policy; /* NULL: the defaults */
	const char *failover;  /* name of the device that a model makes; NULL: "fo-" and the standby's */
	int gate;              /* flag, for tc: an XDP program keeps the second copies of frames from
	                          packet sockets on the standby */
	int checksums_complete;   /* flag, for xdp on veth or tap: the other ends send only frames with
	                             complete checksums */
	/* For rules of a controller only: */
	const char *const *other_standbys; /* tried in this order when `standby` is not there; the list
	                                      ends with NULL; may be NULL */
	const char *origin;    /* where the rule stands ("agent.conf:12"), for messages; may be NULL */
};

/* Makes a pair, which lasts until it is detached or the machine stops; its primary may come later.
 * -EEXIST: the standby is in a pair already. */
int hitless_attach(struct hitless_handle *handle, const struct hitless_attach_options *options);

/* Ends a pair and gives the NICs their settings back. NULL ends all pairs of the namespace.
 * -ENODEV: there is no such interface. -ENOENT: it is in no pair. */
int hitless_detach(struct hitless_handle *handle, const char *standby);

/* HITLESS_STANDBY leaves the primary. HITLESS_AUTO lets policy decide again. HITLESS_PRIMARY does
 * that too, and overrules every doubt; a dead primary is still not used. -ENODEV and -ENOENT: as of
 * hitless_detach(). */
enum hitless_path { HITLESS_AUTO, HITLESS_PRIMARY, HITLESS_STANDBY };
int hitless_switch(struct hitless_handle *handle, const char *standby, enum hitless_path path);

/* A reason not to use the primary. A list of reasons ends with one whose name is NULL. */
struct hitless_reason {
	const char *name;    /* "link-down" */
	const char *meaning; /* "the kernel reports the primary down" */
	uint64_t since_ns;   /* CLOCK_BOOTTIME: since when it stands; 0 among the reasons of a flip */
	const char *actor;   /* who set it, as in a flip; NULL among the reasons of a flip */
};

/* Frames counted under one name. A list of counters ends with one whose name is NULL. */
struct hitless_counter {
	const char *name; /* "tx_primary" */
	uint64_t frames;
};

struct hitless_nic {
	size_t size;
	const char *ifname;
	const char *mac;
	const char *bus; /* "pci/0000:00:04.0"; "" for virtual devices */
	uint32_t ifindex;
	uint32_t mtu;
	int present, up, carrier; /* flags */
	int known;           /* flag: the datapath has it; 0 after it was away, until a controller or an
	                        attach gives it to the datapath again */
	int native;          /* flag: an XDP program of ours is in front of it */
	int reserved;
	uint64_t tx_dropped; /* frames that it was given and did not send, as the kernel counts them */
};

/* What the hypervisor says of a pair (`hitless host run`), and what a controller told it. */
struct hitless_host {
	size_t size;
	int speaks;               /* flag: its word holds now */
	int able;                 /* flag, told: the guest would use a primary */
	const char *want;         /* "unknown" | "standby" | "primary": by which the guest shall send */
	const char *downlink;     /* likewise: where it delivers frames for the guest */
	const char *told;         /* "none" | "present" | "ready" | "in-use" | "left" */
	uint32_t slot;            /* told: the primary's PCI slot; 0: unknown */
	uint32_t reserved;
	uint64_t heard, ignored, sent; /* messages */
};

struct hitless_pair {
	size_t size;
	const struct hitless_pair *next; /* NULL: the last */
	const char *name;                /* the standby's present name */
	const char *active;              /* "primary" | "standby": where the next frame goes */
	int healthy; /* flag: the primary is in use or was decided against, and nothing is broken */
	int reserved;
	uint64_t flips;                         /* changes of the path since the pair was made */
	const struct hitless_reason *veto;      /* what stands against the primary; may be an empty list */
	const char *const *problems;            /* what is broken, in words; the list ends with NULL */
	const struct hitless_counter *counters; /* since the pair was made */
	const struct hitless_nic *primary, *standby;
	const char *model, *datapath, *liveness, *selector;
	const char *failover; /* the device that the guest uses; "": it uses the standby */
	const struct hitless_policy *policy; /* in force: each time as it is, -1 for no time at all */
	int proved; /* flag: a neighbour has answered by the primary since it came up */
	int reserved2;
	const struct hitless_host *host; /* NULL: no host has ever spoken */
};

/* The pair of `standby`, or all pairs (NULL): *first is NULL when there is none. Reads the kernel;
 * no controller is needed. -ENODEV and -ENOENT: as of hitless_detach(). */
int hitless_status(struct hitless_handle *handle, const char *standby,
		   const struct hitless_pair **first);

/* A paravirtual NIC that is in no pair, and why. */
struct hitless_unpaired {
	size_t size;
	const struct hitless_unpaired *next; /* NULL: the last */
	const char *ifname;
	const char *why; /* "" when it could be paired at once */
};
int hitless_unpaired_nics(struct hitless_handle *handle, const struct hitless_unpaired **first);

/* A change of a pair's path. */
struct hitless_flip {
	size_t size;
	const struct hitless_flip *next; /* NULL: the last */
	const char *pair;
	const char *to;     /* "primary" | "standby": the path from here on */
	uint64_t time_ns;   /* CLOCK_BOOTTIME */
	uint64_t lasted_ns; /* how long the path before it had been in use; 0: not known */
	const struct hitless_reason *reasons; /* what caused it, or what was withdrawn last */
	const char *actor;  /* who did it: "datapath" | "controller" | "operator" | "nobody" */
	int64_t lost; /* frames that were lost in the primary, by its own counters since a controller
	                 last read them; -1: nobody read them */
};

/* Flips since the last call on this handle, oldest first. The first call gives those that are still
 * in the log, which keeps the last 64 of each pair. It reads mapped memory, so it may be called ten
 * times a second. */
int hitless_flips(struct hitless_handle *handle, const struct hitless_flip **first);

/* One thing that hitless_examine() looked at. */
struct hitless_finding {
	size_t size;
	const struct hitless_finding *next; /* NULL: the last */
	const char *grade;                  /* "ok" | "degraded" | "missing" */
	const char *what;                   /* "bpf_rdonly_cast" */
	const char *detail;
	const char *remedy; /* the command or change that mends it; "" when nothing is needed */
};

/* What this machine can do, and what prevents the rest. Everything is really tried, in child
 * processes for which the call waits; nothing of it remains. */
int hitless_examine(struct hitless_handle *handle, const struct hitless_finding **first);

struct hitless_control_options {
	size_t size;
	int only_listed;      /* flag: do not pair every standby with its same-MAC PCI primary */
	int ignore_host;      /* flag: do not listen for the hypervisor */
	const struct hitless_policy *policy; /* for pairs that no rule names; NULL: the defaults */
	const struct hitless_attach_options *const *pairs; /* rules: pairs to make as soon as their
	                                                      standby is there; the list ends with NULL;
	                                                      may be NULL */
};

/* Makes this handle the controller of the network namespace: it gives pairs their primaries back,
 * proves their paths, and announces flips to the network. `options` may be NULL. -EBUSY: the
 * namespace has a controller already. */
int hitless_control(struct hitless_handle *handle, const struct hitless_control_options *options);

/* Gives the controller other options. Pairs keep their datapath and lose no frame; they get their
 * new rule and policy. A pair that no rule names any more is not detached. Options that are refused
 * change nothing. -ESRCH: this handle is no controller. */
int hitless_reconfigure(struct hitless_handle *handle, const struct hitless_control_options *options);

/* Checks options and changes nothing; an error says what is wrong with them. *lines has a line for
 * each rule that is right and matches nothing on this machine now; the list ends with NULL. */
int hitless_check(struct hitless_handle *handle, const struct hitless_control_options *options,
		  const char *const **lines);

/* The descriptor to wait on, for reading, with poll, epoll or select. It stays the same as long as
 * the handle lives. It is readable when hitless_process() has something to do, and never without a
 * controller. Do not read from it and do not close it. */
int hitless_fd(const struct hitless_handle *handle);
/* Does what is due and never waits. An error that concerns one pair goes to the log, and the call
 * goes on with the others. */
int hitless_process(struct hitless_handle *handle);

/* Sets *pid to the process that is the namespace's controller, or to 0 when there is none. */
int hitless_controller_pid(struct hitless_handle *handle, int *pid);

/* The directory in which pairs, controllers and the control socket are: /run/hitless, or
 * $HITLESS_STATE_DIR. When memory ran out it returns NULL, and hitless_error() says so. */
const char *hitless_state_directory(struct hitless_handle *handle);

#ifdef __cplusplus
}
#endif

#endif
