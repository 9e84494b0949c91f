/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame rules of lib/path.h for a frame that is no skb yet: nobody has sorted it by destination
 * or taken its VLAN tag out, and it may lie in several pieces. */
#ifndef HL_XDP_H
#define HL_XDP_H

#include "bpf/lib/path.h"

#include <bpf/bpf_endian.h>

#define VLAN_TAG 4 /* bytes */

static __always_inline long load_xdp(void *ctx, __u32 from, void *to, __u32 size) {
	return bpf_xdp_load_bytes(ctx, from, to, size);
}

static long mix_chunk_xdp(__u32 i, struct mix *m) {
	return mix_chunk(i, m, load_xdp);
}

/* As the kernel would keep it beside the frame; 0: none. */
static __always_inline __u32 outer_tag(struct xdp_md *xdp) {
	__u16 tag[2] = {};

	bpf_xdp_load_bytes(xdp, ADDRESSES, tag, sizeof(tag));
	if (tag[0] != bpf_htons(ETH_P_8021Q) && tag[0] != bpf_htons(ETH_P_8021AD)) return 0;
	return (__u32)tag[0] << 16 | bpf_ntohs(tag[1]);
}

static __noinline int is_twin_xdp(struct xdp_md *xdp, enum hl_role role) {
	struct mix m = {.ctx = xdp, .hash = knobs.seed};
	struct twin_key key;

	if (!xdp) return 0;
	key.tag = outer_tag(xdp);
	m.at = ADDRESSES + (key.tag ? VLAN_TAG : 0);
	m.len = bpf_xdp_get_buff_len(xdp) - m.at;
	mix_addresses(&m, load_xdp);
	bpf_loop(MIX_MAX_CHUNKS, mix_chunk_xdp, &m, 0);
	key.hash = m.hash;
	key.len = ADDRESSES + m.len;
	return is_second(&key, role);
}

static __always_inline const __u8 *header_of(struct xdp_md *xdp) {
	const __u8 *frame = (void *)(long)xdp->data;

	return frame + ETH_HLEN <= (__u8 *)(long)xdp->data_end ? frame : NULL;
}

/* The rule for frames that are not unicast for us. */
static __always_inline int accept_other(struct xdp_md *xdp, const __u8 *frame, enum hl_role role) {
	if (is_echo(frame)) return 0;
	if (!(frame[0] & 1)) return 1; /* unicast for another */
	return !drop_twin(is_twin_xdp(xdp, role));
}

/* accept() of lib/path.h. */
static __always_inline int accept_xdp(struct xdp_md *xdp, enum hl_role role) {
	const __u8 *frame = header_of(xdp);

	return !frame || likely(is_own(frame)) || accept_other(xdp, frame, role);
}

#endif
