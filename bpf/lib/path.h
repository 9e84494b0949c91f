/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame rules: which path a frame leaves by, and which received frames are delivered. Every
 * model and datapath is a composition of these. */
#ifndef HL_PATH_H
#define HL_PATH_H

#include "bpf/lib/alive.h"
#include "bpf/lib/flip.h"
#include "bpf/lib/twins.h"
#include "bpf/lib/wake.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

/* Where a frame leaves. */
struct way {
	enum hl_role role;
	__u32 ifindex; /* of a primary that is alive; nobody has asked the standby */
};

static __always_inline struct way by_standby(void) {
	return (struct way){.role = HL_ROLE_STANDBY};
}

static __always_inline struct way by_primary(__u32 ifindex) {
	return (struct way){.role = HL_ROLE_PRIMARY, .ifindex = ifindex};
}

/* Somebody vetoes. A doubtful path still beats none. */
static __always_inline struct way doubtful_way(__u64 veto, enum hl_liveness by) {
	__u32 primary;

	if (veto & ~HL_VETO_SOFT || alive(HL_ROLE_STANDBY, by)) return by_standby();
	primary = alive(HL_ROLE_PRIMARY, by);
	return primary ? by_primary(primary) : by_standby();
}

static __always_inline struct way choose_way(enum hl_liveness by) {
	__u64 veto = *(volatile __u64 *)&pair.veto;
	__u32 primary;

	if (unlikely(veto)) return doubtful_way(veto, by);
	primary = alive(HL_ROLE_PRIMARY, by);
	if (likely(primary)) {
		wake_if_asked();
		return by_primary(primary);
	}
	if (latch(&pair, HL_VETO_BIT_DOWN_SEEN)) ring_bell();
	return by_standby();
}

static __always_inline int is_own(const __u8 *mac) {
	return *(__u32 *)mac == *(__u32 *)pair.mac && *(__u16 *)(mac + 4) == *(__u16 *)(pair.mac + 4);
}

static __always_inline int is_echo(const __u8 *frame) {
	if (!is_own(frame + ETH_ALEN)) return 0;
	count(HL_COUNT_DROP_ECHO);
	return 1;
}

static __always_inline int drop_twin(int is_twin_of_another) {
	if (is_twin_of_another) count(HL_COUNT_DROP_TWIN);
	return is_twin_of_another;
}

/* What the gate (forward.bpf.c) writes before a frame that it let pass, so that tc does not judge it,
 * and count its twin, a second time. */
#define GATED 0x484c4854u

static __always_inline int passed_gate(struct __sk_buff *skb) {
	const __u32 *meta = (void *)(long)skb->data_meta;

	return (void *)(meta + 1) <= (void *)(long)skb->data && *meta == GATED;
}

/*
 * May this received frame be delivered? Unicast for us, always, from either NIC, without a look at
 * the frame: that is what makes a return hitless. The kernel has already sorted frames by
 * destination (eth_type_trans), so the hot path is one load.
 */
static __always_inline int accept(struct __sk_buff *skb, enum hl_role role) {
	const __u8 *frame;

	if (likely(skb->pkt_type == PACKET_HOST)) return 1;

	frame = (void *)(long)skb->data;
	if (frame + ETH_HLEN > (__u8 *)(long)skb->data_end || passed_gate(skb)) return 1;
	if (is_echo(frame)) return 0;
	if (skb->pkt_type == PACKET_OTHERHOST) return 1;
	return !drop_twin(is_twin(skb, role));
}

#endif
