/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of a failover device for guests that forward (docs/datapath.md): a veth whose outer
 * end is the guest's, and whose inner end these programs join to the NICs. tc carries every frame
 * at every place; XDP in front of it takes what it can, and whatever it passes is tc's again. So no
 * frame is judged twice, and an XDP program may come and go at any time.
 *
 * Shares every map with tc.bpf.c. The gate stands alone, before the standby of a pair of two.
 */
#include "bpf/lib/variants.h"
#include "bpf/lib/pair.h"

/* The NICs by enum hl_role, and the inner end. As with `nics`, the kernel takes an entry out when its
 * device goes; so without an inner end the NICs are plain NICs again and no hole. A hash, because a
 * plain devmap is for programs of one type only. Writer: loader; lives while pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, HL_PORTS);
	__type(key, __u32);
	__type(value, __u32); /* ifindex */
} ports SEC(".maps");

#define HL_NICS ports /* where the frame rules look */
#define HL_BOTH_ENDS_HERE /* in the NICs' namespace, and programs on either */
#include "bpf/lib/outward.h"

static __always_inline int has_inner(void) {
	__u32 key = HL_PORT_INNER;

	return bpf_map_lookup_elem(&ports, &key) != NULL;
}

/* outward() stands on the failover device's egress, and on the inner end for what comes past that. */
static __always_inline int inward(struct __sk_buff *skb, enum hl_role role, enum hl_liveness by) {
	int verdict;

	if (unlikely(!in_own_netns(role, by) || !has_inner())) return TC_ACT_UNSPEC;
	verdict = accept(skb, role);
	if (unlikely(verdict != DELIVER)) return keep_on_nic(skb, role, verdict, knobs.inner, 0);
	count(received_by(role));
	return bpf_redirect(knobs.inner, 0);
}

static __always_inline int inward_primary(struct __sk_buff *skb, enum hl_liveness by) {
	return inward(skb, HL_ROLE_PRIMARY, by);
}

static __always_inline int inward_standby(struct __sk_buff *skb, enum hl_liveness by) {
	return inward(skb, HL_ROLE_STANDBY, by);
}

/* A frame without a device to leave by is passed on: tc drops and counts it. */
static __always_inline int xdp_outward(struct xdp_md *xdp, enum hl_liveness by) {
	struct path path = choose_path(by);

	if (!(pair.native & 1u << path.role)) return XDP_PASS;
	if (unlikely(path.role == HL_ROLE_STANDBY && !present(HL_ROLE_STANDBY, by))) return XDP_PASS;
	record_sent_xdp(xdp, path.role);
	count(sent_by(path.role));
	return bpf_redirect_map(&ports, path.role, XDP_PASS);
}

static __always_inline int xdp_inward(struct xdp_md *xdp, enum hl_role role, enum hl_liveness by) {
	int verdict;

	if (unlikely(!in_own_netns(role, by) || !has_inner())) return XDP_PASS;
	verdict = accept_xdp(xdp, role);
	if (unlikely(!(verdict & DELIVER))) return verdict & KEEP ? XDP_PASS : XDP_DROP;
	count(received_by(role));
	return bpf_redirect_map(&ports, HL_PORT_INNER, XDP_PASS);
}

static __always_inline int xdp_inward_primary(struct xdp_md *xdp, enum hl_liveness by) {
	return xdp_inward(xdp, HL_ROLE_PRIMARY, by);
}

static __always_inline int xdp_inward_standby(struct xdp_md *xdp, enum hl_liveness by) {
	return xdp_inward(xdp, HL_ROLE_STANDBY, by);
}

VARIANTS("tc", __sk_buff, outward)
VARIANTS("tc", __sk_buff, inward_primary)
VARIANTS("tc", __sk_buff, inward_standby)
VARIANTS("xdp.frags", xdp_md, xdp_outward)
VARIANTS("xdp.frags", xdp_md, xdp_inward_primary)
VARIANTS("xdp.frags", xdp_md, xdp_inward_standby)

/* While a pair is taken over from an older version, that one's gate stands before ours. */
static __always_inline int judged_by_gate(struct xdp_md *xdp) {
	const __u32 *meta = (void *)(long)xdp->data_meta;

	return (void *)(meta + 1) <= (void *)(long)xdp->data && *meta == ACCEPTED_BY_GATE;
}

/*
 * On the standby of a pair of two: drops twins and echoes before AF_PACKET taps see them. What it
 * judged it marks for tc, in the metadata before the frame; where a driver has no room for that it
 * judges nothing and tc does, as without a gate. So each frame is judged once.
 */
SEC("xdp.frags") int hl_gate(struct xdp_md *xdp) {
	const __u8 *frame = header_of(xdp);
	__u32 *meta;

	if (!frame || likely(is_own(frame)) || judged_by_gate(xdp)) return XDP_PASS;
	if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(*meta))) return XDP_PASS;
	meta = (void *)(long)xdp->data_meta;
	frame = header_of(xdp);
	if (!frame || (void *)(meta + 1) > (void *)(long)xdp->data) return XDP_PASS;
	*meta = ACCEPTED_BY_GATE;
	return accept_other_xdp(xdp, frame, HL_ROLE_STANDBY) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
