/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The state every program shares: the pair, its knobs, its counters and its doorbell. */
#ifndef HL_PAIR_H
#define HL_PAIR_H

#include "maps/hitless_abi.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The pair. Writers: see hitless_abi.h. Lives while pinned. A section of its own makes it a map of
 * its own, mapped read-write by userspace and reached from here by address. */
struct hl_pair pair SEC(".data.pair");

/* Load-time constants: the verifier folds them into the programs. */
const volatile struct hl_knobs knobs SEC(".rodata.knobs");

/* Counters. Writer: BPF; reader: userspace; lives while pinned; one entry of each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hl_counters);
} counters SEC(".maps");

/* Doorbell: rung at every flip so that a controller sleeps in epoll. Writer: BPF; reader: the
 * controller; carries no data worth keeping (the flip log does), so a full ring loses nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

/* The devices of the pair, by enum hl_role and enum hl_port. The kernel itself empties an entry when its device is
 * unregistered or moved to another namespace (dev_map_notification() in kernel/bpf/devmap.c), so an
 * entry that is there is the device that was put there, never another device. Writer: loader. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, HL_PORTS);
	__type(key, __u32);
	__type(value, __u32); /* ifindex */
} nics SEC(".maps");

static __always_inline void count(enum hl_counter which) {
	__u32 zero = 0;
	struct hl_counters *mine = bpf_map_lookup_elem(&counters, &zero);

	if (mine) mine->frames[which]++;
}

/* BPF_RB_FORCE_WAKEUP: the reader may have slept through a full ring. */
static __always_inline void ring_bell(void) {
	__u64 nothing = 0;

	bpf_ringbuf_output(&bell, &nothing, sizeof(nothing), BPF_RB_FORCE_WAKEUP);
}

#endif
