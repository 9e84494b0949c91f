/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libhitless: pair a standby NIC with its passthrough primary, steer and keep the pairs.
 *
 *	struct hitless_handle *h;
 *	struct hitless_attach_options options = {.size = sizeof(options), .standby = "eth0"};
 *	if (hitless_open(&h) < 0 || hitless_attach(h, &options) < 0)
 *		fprintf(stderr, "%s\n", hitless_error(h));
 *	hitless_close(h);       // what is attached stays in force
 *
 * When not to use it: two NICs that are two identities want routing; ports to one switch that
 * must sum up bandwidth want LACP.
 *
 * Results: 0, or a negative errno; then hitless_error() has the sentence: what was done, to which
 * object, why it failed, the way out. Nothing is half done: after an error of hitless_attach() the
 * machine is as it was.
 *
 * The library starts no thread, installs no signal handler, keeps no state outside its handles and
 * writes to no file descriptor of yours. A handle is for one thread at a time; calls act in that
 * thread's network namespace. Making and keeping pairs needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON
 * and CAP_SYS_ADMIN (docs/operating.md).
 *
 * Growth: structs begin with their size and grow at their end only. In those that you fill, set
 * size to sizeof and leave what you do not use zero: zero is the default everywhere; what a newer
 * program asks of an older library is refused with -E2BIG, not ignored. In those that you are
 * given, size says which fields there are. Names are text (model, reasons, counters), so that new
 * ones need no new header.
 *
 * Memory: what a call hands out belongs to the handle and is valid until the same call is made
 * again on it, or hitless_close(). Texts may be any bytes, as interface names may.
 */
#ifndef HITLESS_H
#define HITLESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hitless_handle;

/* *handle is NULL after an error, and hitless_error(NULL) says that memory or descriptors ran out. */
int hitless_open(struct hitless_handle **handle);
/* Ends the handle's controller, if it has one; the pairs stay in force. NULL is allowed. */
void hitless_close(struct hitless_handle *handle);

/* The sentence of the last call that failed; "" before that. */
const char *hitless_error(const struct hitless_handle *handle);
/* "0.1.0" */
const char *hitless_version(void);

/* Lines for people: what a controller does, what a detach could not give back. Called only inside
 * calls on this handle; `line` is valid during the call. NULL: nobody listens. */
typedef void (*hitless_log_fn)(const char *line, void *user);
void hitless_set_log(struct hitless_handle *handle, hitless_log_fn log, void *user);

/* When a primary is trusted. Times: 0 is the default, negative is none at all. */
struct hitless_policy {
	size_t size;
	int32_t hold_down_ms;      /* how long a lost primary must be good before it is used again; 200 */
	int32_t up_delay_ms;       /* from carrier to the first use of a primary */
	int32_t probe_interval_ms; /* between probes while the guest sends */
	int32_t probe_rest_ms;     /* between probes while it only listens */
	int32_t proof_timeout_ms;  /* until a primary is used though nobody answers on either NIC */
	uint32_t reserved;         /* 0 */
	const char *reselect;      /* NULL: always | better | failure */
	const char *announce;      /* NULL: auto | garp | none */
	const char *carrier;       /* of a failover device; NULL: keep | follow */
};

struct hitless_attach_options {
	size_t size;
	const char *standby;   /* interface name */
	const char *primary;   /* auto (NULL) | mac | IFNAME | pci:ADDRESS | slot:NUMBER */
	const char *model;     /* two, three, hidden, one; NULL: two for tc, three for xdp */
	const char *datapath;  /* NULL: tc | xdp, for guests that forward */
	const char *liveness;  /* NULL: best | cast | probe-read | netlink */
	const struct hitless_policy *policy; /* NULL: the defaults */
	const char *failover;  /* name of the device that a model makes; NULL: "fo-" and the standby's */
	int gate;              /* flag; tc: an XDP program keeps twins from taps on the standby */
	int checksums_complete;   /* flag; xdp on veth or tap: the other ends finish every frame */
	/* Of a controller's rules only: */
	const char *const *other_standbys; /* tried in this order when `standby` is not there; ends with
	                                      NULL; may be NULL */
	const char *origin;    /* where the rule stands ("agent.conf:12"), for messages; NULL: nowhere */
};

/* Makes a pair, for good; its primary may come later. -EEXIST: there is one already. */
int hitless_attach(struct hitless_handle *handle, const struct hitless_attach_options *options);

/* Ends a pair and gives every setting back; NULL: all pairs of the namespace. -ENOENT: no such. */
int hitless_detach(struct hitless_handle *handle, const char *standby);

/* STANDBY leaves the primary; AUTO lets policy decide again; PRIMARY also overrules every doubt (a
 * dead primary is still not used). -ENOENT: no such pair. */
enum hitless_path { HITLESS_AUTO, HITLESS_PRIMARY, HITLESS_STANDBY };
int hitless_switch(struct hitless_handle *handle, const char *standby, enum hitless_path path);

/* A reason not to use the primary. Lists of them end with a name that is NULL. */
struct hitless_reason {
	const char *name;    /* "link-down" */
	const char *meaning; /* "the kernel reports the primary down" */
	uint64_t since_ns;   /* CLOCK_BOOTTIME: since when it stands; 0 among the reasons of a flip */
	const char *actor;   /* who set it, as in a flip; NULL among the reasons of a flip */
};

/* Frames counted under one name. Lists end with a name that is NULL. */
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
	int known;           /* flag; 0: the datapath lost it while it was away, until it is taken back */
	int native;          /* flag: an XDP program of ours is in front of it */
	int reserved;
	uint64_t tx_dropped; /* frames that it was given and did not send, as the kernel counts */
};

struct hitless_pair {
	size_t size;
	const struct hitless_pair *next; /* NULL: the last */
	const char *name;                /* the standby's present name */
	const char *active;              /* "primary" | "standby": where the next frame goes */
	int healthy; /* flag: the primary is in use or was decided against, and nothing is broken */
	int reserved;
	uint64_t flips;                         /* since it was made */
	const struct hitless_reason *veto;      /* none: the primary is wanted */
	const char *const *problems;            /* what is broken, in words; ends with NULL */
	const struct hitless_counter *counters; /* since it was made */
	const struct hitless_nic *primary, *standby;
	const char *model, *datapath, *liveness, *selector;
	const char *failover; /* the device that the guest uses; "": the standby */
	const struct hitless_policy *policy; /* in force: every time as it is, -1 for none */
	int proved; /* flag: a neighbour has answered by the primary since it came up */
	int reserved2;
};

/* The pair of `standby`, or all (NULL): *first is NULL when there is none. Asks no process.
 * -ENOENT: no such pair. */
int hitless_status(struct hitless_handle *handle, const char *standby,
		   const struct hitless_pair **first);

/* A paravirtual NIC that is in no pair. */
struct hitless_unpaired {
	size_t size;
	const struct hitless_unpaired *next; /* NULL: the last */
	const char *ifname;
	const char *why; /* "" when it could be paired at once */
};
int hitless_unpaired_nics(struct hitless_handle *handle, const struct hitless_unpaired **first);

struct hitless_flip {
	size_t size;
	const struct hitless_flip *next; /* NULL: the last */
	const char *pair;
	const char *to;     /* "primary" | "standby": the path from here on */
	uint64_t time_ns;   /* CLOCK_BOOTTIME */
	uint64_t lasted_ns; /* how long the path before had been in use; 0: not known */
	const struct hitless_reason *reasons; /* what caused it, or was withdrawn last */
	const char *actor;                    /* "datapath" | "controller" | "operator" | "nobody" */
	int64_t lost; /* frames that died in the primary, by its own counters since the controller last
	                 looked; -1: nobody looked */
};

/* Flips since the last call on this handle, oldest first; the first call gives what the log still
 * holds (64 a pair). Reads mapped memory: cheap enough to be called ten times a second. */
int hitless_flips(struct hitless_handle *handle, const struct hitless_flip **first);

struct hitless_finding {
	size_t size;
	const struct hitless_finding *next; /* NULL: the last */
	const char *grade;                  /* "ok" | "degraded" | "missing" */
	const char *what;                   /* "bpf_rdonly_cast" */
	const char *detail;
	const char *remedy; /* the command that mends it; "" when nothing is needed */
};

/* What this machine can do and what is in the way, tried for real, in child processes that the call
 * reaps; nothing stays. */
int hitless_examine(struct hitless_handle *handle, const struct hitless_finding **first);

struct hitless_control_options {
	size_t size;
	int only_listed;      /* flag: do not pair every standby with its same-MAC PCI primary */
	int reserved;         /* 0 */
	const struct hitless_policy *policy; /* of pairs that it makes unasked; NULL: the defaults */
	const struct hitless_attach_options *const *pairs; /* wanted by name; ends with NULL; may be NULL.
	                                                      Made as soon as their standby is there */
};

/* Makes this handle the namespace's controller: it gives pairs their primaries back, proves them,
 * and announces flips to the network. `options` may be NULL. -EBUSY: there is one already. */
int hitless_control(struct hitless_handle *handle, const struct hitless_control_options *options);

/* Follows other options, without a gap: pairs keep their datapath and take over their new rule and
 * policy; none is detached because it is no longer named. Options that are refused change nothing.
 * -ESRCH: this handle is no controller. */
int hitless_reconfigure(struct hitless_handle *handle, const struct hitless_control_options *options);

/* What is wrong with options, changing nothing; *lines: one for each rule that is right and matches
 * nothing on this machine now; ends with NULL. */
int hitless_check(struct hitless_handle *handle, const struct hitless_control_options *options,
		  const char *const **lines);

/* The one descriptor to wait on (poll, epoll, select; for reading), the same as long as the handle
 * lives. Readable when hitless_process() has something to do; never so without a controller. Do
 * not read or close it. */
int hitless_fd(const struct hitless_handle *handle);
/* Does what is due; never waits. Errors of single pairs go to the log and leave the others alone. */
int hitless_process(struct hitless_handle *handle);

/* *pid: of the namespace's controller, 0 when there is none. */
int hitless_controller_pid(struct hitless_handle *handle, int *pid);

/* Where pairs and controllers keep what outlives them, the control socket too: /run/hitless, or
 * $HITLESS_STATE_DIR. NULL and a sentence in hitless_error() when out of memory. */
const char *hitless_state_directory(struct hitless_handle *handle);

#ifdef __cplusplus
}
#endif

#endif
