// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Early notice, for controllers: the kernel is about to take a primary from us, and its driver has not
 * stopped it yet. Link events come only when that is over (66 ms later on e1000e), and a guest that
 * only listens sends no frame that would find out. Optional: whatever of it a kernel refuses, the
 * datapath and link events remain. One object serves all pairs of a controller and ends with it;
 * nothing here is on a frame's way.
 */
#include "bpf/lib/flip.h"
#include "bpf/lib/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* What pairs' maps are like, their type included: 6.1 takes no other into a map of maps, and the compiler
 * describes a type in full only where a map itself has it. */
struct pair_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hl_pair);
} pattern SEC(".maps");

/* The pairs by the net_device of their primary. Writer: controller. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__array(values, struct pair_map);
} watched SEC(".maps");

/* Says which primary (struct hl_notice). A full ring loses nothing but time: a link event follows. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

static __always_inline struct hl_pair *pair_of(const struct net_device *primary) {
	__u64 key = (__u64)primary;
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&watched, &key);
	struct hl_pair *pair = map ? bpf_map_lookup_elem(map, &zero) : NULL;

	/* The address may have become another device's since the controller wrote it down. */
	return pair && pair->primary.netdev == key ? pair : NULL;
}

/* Only from a primary in use: as with frames, whatever else stands against it stays as it is. */
static __always_inline int leave(const struct net_device *primary, struct hl_pair *pair, enum hl_veto_bit why) {
	struct hl_notice notice = {.netdev = (__u64)primary, .hung = why == HL_VETO_BIT_TX_HANG};

	if (!pair || *(volatile __u64 *)&pair->veto || !latch(pair, why)) return 0;
	bpf_ringbuf_output(&bell, &notice, sizeof(notice), BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __always_inline int leave_if_dead(const struct net_device *primary) {
	struct hl_pair *pair = pair_of(primary);

	if (pair && can_send(BPF_CORE_READ(primary, state))) return 0;
	return leave(primary, pair, HL_VETO_BIT_DOWN_SEEN);
}

/* dev_deactivate_many(): before ndo_stop when a device goes down, from linkwatch when carrier is lost. */
SEC("raw_tp/qdisc_reset") int hl_stopping(struct bpf_raw_tracepoint_args *ctx) {
	const struct Qdisc *qdisc = (void *)ctx->args[0];

	return leave_if_dead(BPF_CORE_READ(qdisc, dev_queue, dev));
}

/* The driver's watchdog has found a queue that stands still, seconds ago. */
SEC("raw_tp/net_dev_xmit_timeout") int hl_hung(struct bpf_raw_tracepoint_args *ctx) {
	const struct net_device *primary = (void *)ctx->args[0];

	return leave(primary, pair_of(primary), HL_VETO_BIT_TX_HANG);
}

/* Before linkwatch, which may wait for a second. */
SEC("fexit/netif_carrier_off") int hl_no_carrier(__u64 *ctx) {
	return leave_if_dead((void *)ctx[0]);
}

/* Before the wait for readers of RCU that precedes the end of a device. */
SEC("fentry/unregister_netdevice_queue") int hl_unregistering(__u64 *ctx) {
	const struct net_device *primary = (void *)ctx[0];

	return leave(primary, pair_of(primary), HL_VETO_BIT_DOWN_SEEN);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
