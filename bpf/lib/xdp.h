/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame rules of lib/path.h for a frame that is no skb yet: nobody has sorted it by destination
 * or taken its VLAN tag out, and it may lie in several pieces. */
#ifndef HL_XDP_H
#define HL_XDP_H

#include "bpf/lib/path.h"

static __always_inline const __u8 *header_of(struct xdp_md *xdp) {
	const __u8 *frame = (void *)(long)xdp->data;

	return frame + ETH_HLEN <= (__u8 *)(long)xdp->data_end ? frame : NULL;
}

static __always_inline __u32 type_of(const __u8 *frame) {
	return bpf_ntohs(*(__be16 *)(frame + ADDRESSES));
}

__noinline int accept_copy_xdp(struct xdp_md *xdp, enum hl_role role, int lone) {
	struct twin_key key;

	if (!xdp || !key_of_xdp(xdp, &key)) return DELIVER;
	return verdict_on(receive_copy(&key, role, lone));
}

static __always_inline int accept_flooded_xdp(struct xdp_md *xdp, enum hl_role role) {
	return flipped_lately() ? DELIVER : accept_copy_xdp(xdp, role, 1);
}

/* The rule for frames that are not unicast for us. */
static __always_inline int accept_other_xdp(struct xdp_md *xdp, const __u8 *frame, enum hl_role role) {
	struct twin_key key;

	if (is_own(frame + ETH_ALEN)) return drop(HL_COUNT_DROP_ECHO);
	if (is_group(frame)) return accept_copy_xdp(xdp, role, 0);
	key_of_conversation(frame, tag_inside(frame, (void *)(long)xdp->data_end), &key);
	if (is_conversation_of_ours(&key, role)) return drop(HL_COUNT_DROP_ECHO);
	return accept_flooded_xdp(xdp, role);
}

/* accept() of lib/path.h. What its NIC shall keep is left to tc, which can deliver it as well. */
static __always_inline int accept_xdp(struct xdp_md *xdp, enum hl_role role) {
	const __u8 *frame = header_of(xdp);

	if (unlikely(!frame)) return DELIVER;
	if (unlikely(belongs_to_port(frame, type_of(frame)))) return KEEP;
	if (unlikely(!is_own(frame))) return accept_other_xdp(xdp, frame, role);
	return likely(undisturbed(role)) || !in_doubt(role) ? DELIVER : accept_flooded_xdp(xdp, role);
}

#endif
