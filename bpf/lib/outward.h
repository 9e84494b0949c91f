/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of a failover device, by whichever NIC is the path. */
#ifndef HL_OUTWARD_H
#define HL_OUTWARD_H

#include "bpf/lib/sent.h"

static __always_inline enum hl_counter sent_by(enum hl_role role) {
	return role == HL_ROLE_PRIMARY ? HL_COUNT_TX_PRIMARY : HL_COUNT_TX_STANDBY;
}

static __always_inline int outward(struct __sk_buff *skb, enum hl_liveness by) {
	enum hl_role role = choose_path(by);

	remember(skb, role);
	count(sent_by(role));
	return bpf_redirect(nic_of(role)->ifindex, 0);
}

#endif
