// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs of one pair. Each is a few lines over bpf/lib; docs/datapath.md draws where they
 * sit. Return values serve tcx and clsact alike: TC_ACT_UNSPEC is TCX_NEXT, "not mine, go on".
 */
#include "bpf/lib/variants.h"
#include "bpf/lib/outward.h"
#include "bpf/lib/resolve.h"

/* Says "the primary's ingress has already judged this frame" to the standby's ingress, which a
 * frame redirected inward passes too. tc_index is the skb's own scratch field for tc; drivers
 * leave it 0, and it is 0 again before anyone else looks. The user's mark stays the user's. */
#define ACCEPTED_FROM_PRIMARY 0x484c

static __always_inline int egress(struct __sk_buff *skb, enum hl_liveness by) {
	struct path path;

	if (unlikely(!master_in_own_netns(by))) return TC_ACT_UNSPEC;
	path = choose_path(by);
	record_sent(skb, path.role);
	count(sent_by(path.role));
	return likely(path.role == HL_ROLE_PRIMARY) ? bpf_redirect(path.ifindex, 0) : TC_ACT_UNSPEC;
}

/* On the primary: every frame belongs to the master, as if it had arrived there. */
static __always_inline int ingress_primary(struct __sk_buff *skb, enum hl_liveness by) {
	int verdict;

	if (unlikely(!in_own_netns(HL_ROLE_PRIMARY, by) || !master_in_own_netns(by))) return TC_ACT_UNSPEC;
	verdict = accept(skb, HL_ROLE_PRIMARY);
	skb->tc_index = ACCEPTED_FROM_PRIMARY;
	if (unlikely(verdict != DELIVER)) {
		verdict = keep_on_nic(skb, HL_ROLE_PRIMARY, verdict, knobs.master, BPF_F_INGRESS);
		barrier_var(skb); /* the verifier wants the field's place in the instruction */
		skb->tc_index = 0;
		return verdict;
	}
	count(HL_COUNT_RX_PRIMARY);
	return bpf_redirect(knobs.master, BPF_F_INGRESS);
}

VARIANTS("tc", __sk_buff, egress)
VARIANTS("tc", __sk_buff, ingress_primary)

/* On the standby, which is the master: its own frames, and those of the primary once more. */
SEC("tc") int hl_ingress_standby(struct __sk_buff *skb) {
	int verdict;

	if (skb->tc_index == ACCEPTED_FROM_PRIMARY) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	verdict = accept(skb, HL_ROLE_STANDBY);
	if (unlikely(!(verdict & DELIVER))) return verdict & ALONE ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	count(HL_COUNT_RX_STANDBY);
	return TC_ACT_UNSPEC;
}

/*
 * The models with a failover device, whose outer end is the master and whose inner end stands in a
 * private namespace (docs/models.md): the same rules, led elsewhere. redirect_peer keeps a frame in the
 * driver's list of frames, but since Linux 6.15 it also makes it PACKET_HOST. So a frame of another type
 * goes by redirect, which keeps the type.
 */
static __always_inline int enter(struct __sk_buff *skb, enum hl_role role, enum hl_liveness by) {
	int verdict;

	if (unlikely(!in_own_netns(role, by) || !port_in_own_netns(HL_PORT_MASTER, role, by)))
		return TC_ACT_UNSPEC;
	verdict = accept(skb, role);
	if (unlikely(verdict != DELIVER)) return keep_on_nic(skb, role, verdict, knobs.entrance, knobs.entrance_flags);
	count(received_by(role));
	if (likely(skb->pkt_type == PACKET_HOST)) return bpf_redirect_peer(knobs.entrance, 0);
	return bpf_redirect(knobs.entrance, knobs.entrance_flags);
}

static __always_inline int enter_primary(struct __sk_buff *skb, enum hl_liveness by) {
	return enter(skb, HL_ROLE_PRIMARY, by);
}

static __always_inline int enter_standby(struct __sk_buff *skb, enum hl_liveness by) {
	return enter(skb, HL_ROLE_STANDBY, by);
}

VARIANTS("tc", __sk_buff, outward)
VARIANTS("tc", __sk_buff, enter_primary)
VARIANTS("tc", __sk_buff, enter_standby)

/* redirect_peer must leave the NICs' namespace. Where that is the guest's own, it leads to the inner
 * end, alone in another, and from there back in: by the device on which this runs, wherever it is. */
SEC("tc") int hl_bounce(struct __sk_buff *skb) {
	return bpf_redirect_peer(skb->ifindex, 0);
}

/* BPF_PROG_RUN by the loader: learn or forget where a NIC lives. Of the type of its neighbours, as
 * every program that uses a devmap must be (bpf_prog_map_compatible() in kernel/bpf/core.c). */
SEC("tc") int hl_resolve(struct __sk_buff *skb) {
	enum hl_role role = skb->cb[HL_RESOLVE_ROLE] == HL_ROLE_PRIMARY ? HL_ROLE_PRIMARY : HL_ROLE_STANDBY;
	struct hl_nic *nic = (void *)nic_of(role);

	if (skb->cb[HL_RESOLVE_KNOWN]) return resolve(role, nic);
	store_nic(nic, 0, 0, 0);
	return 0;
}

/* BPF_PROG_RUN by whoever changed the veto word from userspace. */
SEC("syscall") int hl_ring(void *ctx) {
	ring_bell();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
