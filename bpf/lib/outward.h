/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of a failover device, by whichever NIC is the path. */
#ifndef HL_OUTWARD_H
#define HL_OUTWARD_H

#include "bpf/lib/sent.h"

static __always_inline enum hl_counter sent_by(enum hl_role role) {
	return role == HL_ROLE_PRIMARY ? HL_COUNT_TX_PRIMARY : HL_COUNT_TX_STANDBY;
}

/* In a namespace to which the failover device was moved, the NICs' ifindexes may be other devices'. */
static __always_inline int ends_in_own_netns(enum hl_role beside, enum hl_liveness by) {
#ifdef HL_BOTH_ENDS_HERE
	if (!port_in_own_netns(HL_PORT_INNER, beside, by)) return 0;
#endif
	return port_in_own_netns(HL_PORT_MASTER, beside, by);
}

/* A standby that is not the master may be gone, and its ifindex be another device's. */
static __always_inline int outward(struct __sk_buff *skb, enum hl_liveness by) {
	struct path path = choose_path(by);

	if (path.role == HL_ROLE_STANDBY) path.ifindex = present(HL_ROLE_STANDBY, by);
	if (unlikely(!path.ifindex || !ends_in_own_netns(path.role, by))) {
		count(HL_COUNT_DROP_NO_DEVICE);
		return TC_ACT_SHOT;
	}
	record_sent(skb, path.role);
	count(sent_by(path.role));
	return bpf_redirect(path.ifindex, 0);
}

#endif
