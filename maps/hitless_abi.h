/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the BPF programs, the loader and every tool that reads a pair's pins.
 * Included by BPF C and by C++; there is no second copy of anything below.
 *
 * A pair is one `struct hl_pair`, alone in an mmap-able array map of one entry. Programs reach it
 * by its address (no lookup), userspace through mmap (no syscall). Change a field: raise
 * HL_ABI_VERSION; a loader takes over the pairs of the version before, and refuses pins of any other
 * instead of guessing.
 */
#ifndef HITLESS_ABI_H
#define HITLESS_ABI_H

#include <linux/types.h>

#define HL_ABI_MAGIC 0x73736c68u /* "hlss" */
#define HL_ABI_VERSION 7u
#define HL_ABI_FORMER 6u /* the one before, whose pairs are taken over (loader/core/former_abi.hpp) */

/*
 * Reasons not to use the primary, one bit each:
 *   X(NAME, bit, "name", kind, "writer", OVERRULED, "what it means")
 * kind
 *   HARD  the primary cannot carry frames
 *   FIRM  somebody decided against it
 *   SOFT  only a doubt: the primary is still used when the standby is down
 * writer: who sets and clears the bit; nobody touches another's.
 * OVERRULED: YES where `hitless switch primary` clears it. What the primary cannot do it does not.
 */
#define HL_VETO_LIST(X)                                                                            \
	X(ABSENT, 0, "absent", HARD, "controller, attach", NO, "no primary is attached")           \
	X(DOWN_SEEN, 1, "down-seen", HARD, "datapath sets, controller clears", NO,                 \
	  "a frame found the primary down")                                                        \
	X(LINK_DOWN, 2, "link-down", HARD, "controller", NO, "the kernel reports the primary down") \
	X(UNPROVEN, 3, "unproven", SOFT, "controller", YES, "the path has not been proved")        \
	X(HOLD_DOWN, 4, "hold-down", SOFT, "controller", YES,                                      \
	  "the primary returned too recently to be trusted")                                       \
	X(OPERATOR, 5, "operator", FIRM, "hitless switch", YES, "an operator chose the standby")   \
	X(HOST, 6, "host", FIRM, "host agent", YES,                                                \
	  "the host has taken the primary, or has not given it yet")                               \
	X(BLACK_HOLE, 7, "black-hole", FIRM, "controller", YES,                                    \
	  "frames are sent but nothing returns")                                                   \
	X(TX_HANG, 8, "tx-hang", FIRM, "controller", YES, "the primary completes no transmission") \
	X(MTU, 9, "mtu", FIRM, "controller", NO, "the primary cannot carry the master's MTU")      \
	X(MAC, 10, "mac", FIRM, "controller", NO, "the primary's MAC differs from the master's")   \
	X(SYNC, 11, "sync", FIRM, "controller", NO,                                                \
	  "the primary could not be configured like the master")                                   \
	X(GONE, 12, "gone", HARD, "controller", NO,                                                \
	  "the primary's slot is empty though its device still stands")                            \
	X(STICKY, 13, "sticky", SOFT, "controller", YES, "the standby is kept until it fails")

enum hl_veto_bit {
#define X(name, bit, text, kind, writer, overruled, meaning) HL_VETO_BIT_##name = (bit),
	HL_VETO_LIST(X)
#undef X
};

#define HL_VETO_BITS 32 /* room for more; a power of two */

#define HL_VETO(name) (1ull << HL_VETO_BIT_##name)

/* The columns as masks. */
enum hl_veto_kind { HL_KIND_HARD, HL_KIND_FIRM, HL_KIND_SOFT };
enum hl_veto_overruled { HL_OVERRULED_NO, HL_OVERRULED_YES };
#define HL_IF_SOFT(name, bit, text, kind, writer, overruled, meaning)                              \
	| (HL_KIND_##kind == HL_KIND_SOFT ? 1ull << (bit) : 0)
#define HL_IF_OVERRULED(name, bit, text, kind, writer, overruled, meaning)                         \
	| (HL_OVERRULED_##overruled == HL_OVERRULED_YES ? 1ull << (bit) : 0)
#define HL_VETO_SOFT (0ull HL_VETO_LIST(HL_IF_SOFT))
#define HL_VETO_OVERRULED (0ull HL_VETO_LIST(HL_IF_OVERRULED))
/* Somebody wants the standby, and the primary is not to blame. */
#define HL_VETO_CHOSEN (HL_VETO(OPERATOR) | HL_VETO(HOST))

/* What the datapath counts, each frame (as the stack sees it: a GSO frame is one) under one name. */
#define HL_COUNTER_LIST(X)                                                                         \
	X(TX_PRIMARY, "tx_primary", "sent through the primary")                                    \
	X(TX_STANDBY, "tx_standby", "sent through the standby")                                    \
	X(RX_PRIMARY, "rx_primary", "received from the primary and delivered")                     \
	X(RX_STANDBY, "rx_standby", "received from the standby and delivered")                     \
	X(DROP_TWIN, "drop_twin", "dropped: second copy of a frame that came by both NICs")         \
	X(DROP_ECHO, "drop_echo", "dropped: what the pair has sent came back from the network")     \
	X(TWIN_TABLE_FULL, "twin_table_full", "delivered unpaired: the table of twins was full")   \
	X(DROP_NO_DEVICE, "drop_no_device", "dropped: the device to leave by is not there")

enum hl_counter {
#define X(name, text, meaning) HL_COUNT_##name,
	HL_COUNTER_LIST(X)
#undef X
		HL_COUNTERS
};

/* One value of the per-CPU counter map. Writer: BPF. Readers add up the CPUs. */
struct hl_counters {
	__u64 frames[HL_COUNTERS];
};

/* Who changed the veto word when a flip was recorded. */
#define HL_ACTOR_LIST(X)                                                                           \
	X(NOBODY, "nobody")                                                                        \
	X(DATAPATH, "datapath")                                                                    \
	X(CONTROLLER, "controller")                                                                \
	X(OPERATOR, "operator")

enum hl_actor {
#define X(name, text) HL_ACTOR_##name,
	HL_ACTOR_LIST(X)
#undef X
		HL_ACTORS
};

enum hl_model { HL_MODEL_TWO = 2, HL_MODEL_THREE = 3, HL_MODEL_HIDDEN = 4, HL_MODEL_ONE = 1 };
enum hl_datapath { HL_DATAPATH_TC = 0, HL_DATAPATH_XDP = 1 };

/* How the egress program learns whether the primary lives: the variants of docs/datapath.md. */
#define HL_LIVENESS_LIST(X)                                                                        \
	X(CAST, "cast", "per frame, by bpf_rdonly_cast (6.2 and later)")                           \
	X(PROBE_READ, "probe-read", "per frame, by bpf_probe_read_kernel")                         \
	X(NETLINK, "netlink", "by the controller's link events only")

enum hl_liveness {
#define X(name, text, meaning) HL_LIVENESS_##name,
	HL_LIVENESS_LIST(X)
#undef X
};

/* When a primary that was lost is taken back, as bonding's primary_reselect: X(NAME, "name"). */
#define HL_RESELECT_LIST(X)                                                                        \
	X(ALWAYS, "always")                                                                        \
	X(BETTER, "better")                                                                        \
	X(FAILURE, "failure")

enum hl_reselect {
#define X(name, text) HL_RESELECT_##name,
	HL_RESELECT_LIST(X)
#undef X
		HL_RESELECTS
};

/* How the network is told of a flip: X(NAME, "name", "what is sent"). */
#define HL_ANNOUNCE_LIST(X)                                                                        \
	X(AUTO, "auto", "a unicast probe to each neighbour; a broadcast only where none is known") \
	X(GARP, "garp", "gratuitous ARP and unsolicited NA for each address, too")                 \
	X(NONE, "none", "nothing")

enum hl_announce {
#define X(name, text, meaning) HL_ANNOUNCE_##name,
	HL_ANNOUNCE_LIST(X)
#undef X
		HL_ANNOUNCES
};

/* What the carrier of a failover device tells: X(NAME, "name", "meaning"). */
#define HL_CARRIER_LIST(X)                                                                         \
	X(KEEP, "keep", "the device has carrier always")                                           \
	X(FOLLOW, "follow", "a controller takes it away while neither NIC works")

enum hl_carrier {
#define X(name, text, meaning) HL_CARRIER_##name,
	HL_CARRIER_LIST(X)
#undef X
		HL_CARRIERS
};

/* Why the primary's path is taken for good. */
enum hl_proof {
	HL_PROOF_NONE,   /* nobody has answered by it: it is used because time went by */
	HL_PROOF_ANSWER, /* a neighbour has, or an operator vouched for it */
};

/* How the user named the primary. */
enum hl_selector_kind {
	HL_SELECT_AUTO, /* same MAC, on PCI */
	HL_SELECT_MAC,  /* same MAC, any bus */
	HL_SELECT_IFNAME,
	HL_SELECT_PCI,
	HL_SELECT_SLOT,
	HL_SELECT_ACPI,   /* the firmware's number: acpi_index, else index */
	HL_SELECT_PORT,   /* phys_port_id */
	HL_SELECT_SWITCH, /* phys_switch_id */
	HL_SELECT_BUS,    /* bus path, as hl_identity has it */
	HL_SELECT_DRIVER,
	HL_SELECT_LIST, /* several of these, the best first; the argument is their text */
};

/*
 * Where the datapath finds a NIC. Written by the resolver program but for `stray`, all zero: none. The pair's
 * devmap of NICs says whether it is still there.
 */
struct hl_nic {
	__u64 slot;   /* address of its place in the devmap */
	__u64 netdev; /* address of the net_device; valid while the place is taken */
	__u32 ifindex;
	__u32 stray; /* datapath: when unicast for the master last came by this NIC though it was not the path, in
			windows of twins since boot; 0: none lately */
};

/* hl_nic.stray while the pair is taken over: the programs of two versions do not see each other's strays. */
#define HL_STRAY_ASSUMED 0xffffffffu

#define HL_IFNAME 16
#define HL_BUS 40
#define HL_ARG 128

/* Who a NIC is: what stays when its name changes. Writer: loader. */
struct hl_identity {
	__u8 mac[6];
	__u8 perm_mac[6]; /* all zero when the device has none */
	__u32 ifindex;    /* 0: not there */
	char bus[HL_BUS]; /* "pci/0000:00:04.0"; "" for virtual devices */
	char ifname[HL_IFNAME]; /* last seen; shown to people, never compared */
};

/* More addresses than these and a NIC would go promiscuous itself. */
#define HL_UNICASTS 8

/* A NIC's settings before the pair took it; given back at detach. Writer: loader. */
enum hl_saved_state {
	HL_SAVED_NOTHING,
	HL_SAVED_HERE,
	HL_SAVED_MOVED, /* and the NIC is in the private namespace */
};
struct hl_saved {
	__u8 valid; /* enum hl_saved_state */
	__u8 up;
	__u8 addr_gen_mode;
	__u8 programmed_mac; /* it had none of its own and got the master's */
	__u32 mtu;
	__u32 tx_queue_len;
	__u8 promisc;
	__u8 allmulti;
	__u8 arp_ignore; /* net.ipv4.conf.IFNAME.arp_ignore */
	__u8 unsynced;   /* enum hl_sync bits: what could not be brought in line */
	__u8 promisc_for_filters; /* what its filters cannot be told is let through this way */
	__u8 vlan_filter_off;     /* we switched its VLAN filter off */
	__u8 lro_off;             /* likewise its merging of received frames */
	__u8 unicasts;                   /* how many of: */
	__u8 unicast[HL_UNICASTS][6];    /* addresses that we have put into its filter */
};

/* What of the primary follows the master, beyond what vetoes (MTU, MAC): X(NAME, bit, "name"). */
#define HL_SYNC_LIST(X)                                                                            \
	X(TX_QUEUE, 0, "tx-queue-length")                                                          \
	X(PROMISC, 1, "promiscuous-mode")                                                          \
	X(MULTICAST, 2, "multicast")                                                               \
	X(ARP, 3, "arp-silence")

enum hl_sync {
#define X(name, bit, text) HL_SYNC_##name = 1 << (bit),
	HL_SYNC_LIST(X)
#undef X
};

#define HL_NETNS 48

/* The two ends of a failover device of our own; zero: the standby is the master. Writer: loader. */
struct hl_failover {
	__u32 outer;
	__u32 inner;
	__u32 checksums_complete; /* somebody vouched for what core/native_xdp.hpp doubts */
	__u32 reserved;
	char netns[HL_NETNS]; /* the private namespace that inner is in; "": the guest's own */
};

/* The address of the standby that ended first of those which went to the failover device and which
 * somebody must renew; all zero: there was none. Writer: loader. */
struct hl_travelled {
	__u64 ends_ns; /* CLOCK_BOOTTIME, unless it is renewed */
	__u8 address[16];
	__u8 six; /* IPv6 */
	__u8 prefix_length;
	__u8 reserved[6];
};

/* One place where a program of ours sits. Writer: loader. */
enum hl_hook_kind {
	HL_HOOK_NONE,
	HL_HOOK_TCX,
	HL_HOOK_CLSACT,
	HL_HOOK_XDP,       /* beside other people's, by libxdp's dispatcher */
	HL_HOOK_XDP_ALONE, /* where the kernel refuses the dispatcher */
	HL_HOOK_NETKIT,    /* at the inner end of a netkit */
};
struct hl_hook {
	__u32 ifindex;
	__u8 kind;       /* enum hl_hook_kind */
	__u8 made_qdisc; /* the clsact qdisc is ours to remove */
	__u8 reserved[2];
};

/* X(NAME, pin name of its tcx link or XDP program). The XDP ones are last; a pair of two has at most
 * XDP_STANDBY of them, the gate. */
#define HL_HOOK_LIST(X)                                                                            \
	X(INGRESS_STANDBY, "link_ingress_standby")                                                 \
	X(INGRESS_PRIMARY, "link_ingress_primary")                                                 \
	X(EGRESS, "link_egress")                                                                   \
	X(INNER, "link_inner")                                                                     \
	X(XDP_INNER, "xdp_inner")                                                                  \
	X(XDP_PRIMARY, "xdp_primary")                                                              \
	X(XDP_STANDBY, "xdp_standby")

enum hl_hook_id {
#define X(name, pin) HL_HOOK_##name,
	HL_HOOK_LIST(X)
#undef X
		HL_HOOKS
};

/* One flip: the veto word left or reached zero. `seq` is written last; 0 means being written. */
struct hl_flip {
	__u64 seq;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 veto_before;
	__u64 veto_after;
	__u32 actor; /* enum hl_actor */
	__u32 lost;  /* 1 + frames that died in the primary, by its own counters; 0: nobody looked.
			Writer: controller, after the flip */
};

#define HL_FLIPS 64 /* a power of two */

/* Since when a reason stands and who set it. Writer: whoever set the bit; torn reads only mislead
 * people for a moment. */
struct hl_note {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u32 actor;   /* enum hl_actor */
	__u32 reserved;
};

/* What the host of a pair said last, and what it was told, for those who look (hitless_channel.h). Nothing is
 * decided by it. All 0: no host has ever spoken. Writer: controller. */
struct hl_host {
	__u64 lease_end_ns; /* CLOCK_BOOTTIME until which its word holds */
	__u64 since_ns;     /* CLOCK_BOOTTIME since when it says the same */
	__u64 heard;        /* its messages that counted */
	__u64 ignored;      /* messages of anybody that did not */
	__u64 sent;
	__u8 want;          /* enum hl_channel_path */
	__u8 downlink;      /* likewise */
	__u8 able;          /* told: the guest would use a primary */
	__u8 primary;       /* told: enum hl_channel_primary */
	__u32 slot;         /* told */
	__u64 heard_ns;     /* CLOCK_BOOTTIME of its last message that counted; 0: not known */
};

/* The pair. One writer group a cache line, so that nobody's store slows the datapath's loads. */
struct hl_pair {
	/* Read on every frame. `veto`: all writers, atomic ops only. */
	__u64 veto;
	struct hl_nic primary; /* resolver */
	struct hl_nic standby; /* resolver */
	__u8 mac[6];           /* loader: the master's address, for the echo rule */
	__u8 native;           /* loader: roles (1 << enum hl_role) whose NIC takes redirected XDP frames */
	__u8 wake;             /* controller sets, datapath clears: the next frame rings the bell */

	/* What the pair is. Writer: loader, before it is published and at adoption. */
	__u32 magic __attribute__((aligned(64)));
	__u32 abi_version;
	__u8 model;
	__u8 datapath;
	__u8 liveness;
	__u8 selector; /* enum hl_selector_kind */
	__u32 hold_down_ms;
	__u32 up_delay_ms;
	__u32 probe_interval_ms;
	__u32 probe_rest_ms;
	__u32 proof_timeout_ms;
	__u8 reselect; /* enum hl_reselect */
	__u8 announce; /* enum hl_announce */
	__u8 carrier;  /* enum hl_carrier */
	__u8 proof;    /* enum hl_proof; writer: whoever proves the path */
	__u8 policy_reserved[4];
	__u64 netns_cookie;
	__u64 attached_ns;
	struct hl_failover failover;
	struct hl_identity standby_id;
	struct hl_identity primary_id;
	struct hl_saved primary_saved;
	struct hl_saved standby_saved; /* nothing where the standby is the master, or XDP's */
	struct hl_hook hook[HL_HOOKS];
	char selector_arg[HL_ARG];
	struct hl_travelled travelled;
	__u64 taken_over_ns; /* CLOCK_BOOTTIME at which a newer version took the pair over; 0: it made it */
	__u32 former_abi;    /* the version from which it did */
	__u32 former_veto;   /* of the reasons in the former record, those that ours has been told of */

	/* The flip log: claim a slot by an atomic add on `flips`, fill it, store its seq. */
	__u64 flips __attribute__((aligned(64)));
	struct hl_host host;
	struct hl_flip flip[HL_FLIPS];
	struct hl_note note[HL_VETO_BITS];
};

/* The roles, also keys of the devmap of NICs. */
enum hl_role { HL_ROLE_PRIMARY = 0, HL_ROLE_STANDBY = 1, HL_ROLES };

/* Keys beside the roles: a failover device's inner end, and the end of it that stands in the NICs'
 * namespace, or of two that which the guest uses. */
enum hl_port { HL_PORT_INNER = HL_ROLES, HL_PORT_MASTER, HL_PORTS };

/* Arguments of the resolver program (BPF_PROG_RUN) in __sk_buff.cb. */
enum hl_resolve_argument {
	HL_RESOLVE_ROLE,
	HL_RESOLVE_KNOWN, /* 0 forgets the device */
};

/* What the census of namespaces (bpf/namespaces.bpf.c) returns. */
enum hl_census { HL_CENSUS_UNKNOWN, HL_CENSUS_FOUND, HL_CENSUS_GONE };

/* What early notice tells a controller (bpf/notice.bpf.c). */
struct hl_notice {
	__u64 netdev; /* of the primary, as in hl_nic */
	__u32 hung;   /* its driver reports a transmission that does not end */
	__u32 reserved;
};

/*
 * Load-time knobs of the programs. Writer: loader, between open and load.
 */
struct hl_knobs {
	__u32 master;         /* ifindex of the device whose traffic this is */
	__u32 inner;          /* ifindex of the failover device's inner end; 0: none */
	__u32 entrance;       /* ifindex, beside the NICs, of the end by which frames reach the guest */
	__u32 entrance_flags; /* of bpf_redirect() there */
	__u64 twin_window_ns; /* how long a frame waits for its copy on the other NIC */
	__u64 seed;           /* secret of the frame hash, so that nobody can aim collisions */
};

#ifdef __cplusplus
#define HL_ASSERT(c) static_assert(c, #c)
#else
#define HL_ASSERT(c) _Static_assert(c, #c)
#endif
#define HL_OFFSETOF(t, f) __builtin_offsetof(t, f)

/* BPF has no store that orders earlier ones before it (until 6.15); its JIT keeps the order of stores on x86,
 * and a reader on another architecture may for a moment take an old slot for the new one. */
#ifdef __bpf__
#define HL_PUBLISH(word, value)                                                                    \
	do {                                                                                       \
		__asm__ volatile("" ::: "memory");                                                 \
		*(volatile __u64 *)&(word) = (value);                                              \
	} while (0)
#else
#define HL_PUBLISH(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)
#endif

/* Fills the slot of the flip log that a writer has claimed by adding 1 to hl_pair::flips: `seq` is the
 * number before. */
static inline void hl_write_flip(struct hl_pair *pair, __u64 seq, __u64 time_ns, __u64 before, __u64 after,
				 __u32 actor)
{
	struct hl_flip *slot = &pair->flip[seq & (HL_FLIPS - 1)];

	HL_PUBLISH(slot->seq, 0);
	slot->time_ns = time_ns;
	slot->veto_before = before;
	slot->veto_after = after;
	slot->actor = actor;
	slot->lost = 0;
	HL_PUBLISH(slot->seq, seq + 1);
}

/* What crosses between BPF, processes and versions of us: change a size or an offset, and the version. */
HL_ASSERT(sizeof(struct hl_counters) == 64);
HL_ASSERT(sizeof(struct hl_nic) == 24);
HL_ASSERT(sizeof(struct hl_identity) == 72);
HL_ASSERT(sizeof(struct hl_saved) == 68);
HL_ASSERT(sizeof(struct hl_failover) == 64);
HL_ASSERT(sizeof(struct hl_travelled) == 32);
HL_ASSERT(sizeof(struct hl_hook) == 8);
HL_ASSERT(sizeof(struct hl_flip) == 40);
HL_ASSERT(sizeof(struct hl_host) == 56);
HL_ASSERT(sizeof(struct hl_note) == 16);
HL_ASSERT(sizeof(struct hl_notice) == 16);
HL_ASSERT(sizeof(struct hl_knobs) == 32);
HL_ASSERT(sizeof(struct hl_pair) == 3840);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, veto) == 0);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, primary) == 8);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, standby) == 32);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, mac) == 56);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, magic) == 64);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, abi_version) == 68);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, netns_cookie) == 104);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, failover) == 120);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, standby_id) == 184);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, primary_saved) == 328);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, hook) == 464);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, selector_arg) == 520);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, travelled) == 648);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, taken_over_ns) == 680);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, flips) == 704);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, host) == 712);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, flip) == 768);
HL_ASSERT(HL_OFFSETOF(struct hl_pair, note) == 3328);
HL_ASSERT((HL_FLIPS & (HL_FLIPS - 1)) == 0);
HL_ASSERT(sizeof(struct hl_pair) <= 4096);

#endif
