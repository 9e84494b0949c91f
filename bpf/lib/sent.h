/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes out is remembered where its echo could not be told otherwise: frames of somebody behind the
 * guest (its bridge, macvlans, virtual router). Its own come back with its own address.
 */
#ifndef HL_SENT_H
#define HL_SENT_H

#include "bpf/lib/path.h"
#include "bpf/lib/xdp.h"

__noinline int record_sent_copy(struct __sk_buff *skb, enum hl_role role) {
	struct twin_key key;

	if (skb && key_of_skb(skb, &key)) send_copy(&key, role);
	return 0;
}

__noinline int record_sent_foreign(struct __sk_buff *skb, enum hl_role role) {
	struct twin_key key;
	const __u8 *frame;
	__u32 tag;

	if (!skb) return 0;
	frame = (void *)(long)skb->data;
	if (frame + ETH_HLEN > (__u8 *)(long)skb->data_end) return 0;
	if (is_group(frame)) return record_sent_copy(skb, role);
	tag = tag_beside(skb);
	tag = tag ? canonical_tag(tag >> 16, tag) : tag_inside(frame, (void *)(long)skb->data_end);
	key_of_conversation(frame, tag, &key);
	send_conversation(&key, role);
	return 0;
}

static __always_inline void record_sent(struct __sk_buff *skb, enum hl_role role) {
	const __u8 *frame = (void *)(long)skb->data;

	if (frame + ETH_HLEN > (__u8 *)(long)skb->data_end || likely(is_own(frame + ETH_ALEN))) return;
	record_sent_foreign(skb, role);
}

__noinline int record_sent_copy_xdp(struct xdp_md *xdp, enum hl_role role) {
	struct twin_key key;

	if (xdp && key_of_xdp(xdp, &key)) send_copy(&key, role);
	return 0;
}

static __always_inline void record_sent_xdp(struct xdp_md *xdp, enum hl_role role) {
	const __u8 *frame = header_of(xdp);
	struct twin_key key;

	if (!frame || likely(is_own(frame + ETH_ALEN))) return;
	if (is_group(frame)) {
		record_sent_copy_xdp(xdp, role);
		return;
	}
	key_of_conversation(frame, tag_inside(frame, (void *)(long)xdp->data_end), &key);
	send_conversation(&key, role);
}

#endif
