/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frame rules: which path a frame leaves by, and which received frames are delivered. Every
 * model and datapath is a composition of these. */
#ifndef HL_PATH_H
#define HL_PATH_H

#include "bpf/lib/alive.h"
#include "bpf/lib/flip.h"
#include "bpf/lib/port.h"
#include "bpf/lib/stray.h"
#include "bpf/lib/twins.h"
#include "bpf/lib/wake.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

/* Where a frame leaves. */
struct path {
	enum hl_role role;
	__u32 ifindex; /* of a primary that is alive; nobody has asked the standby */
};

static __always_inline struct path by_standby(void) {
	return (struct path){.role = HL_ROLE_STANDBY};
}

static __always_inline struct path by_primary(__u32 ifindex) {
	return (struct path){.role = HL_ROLE_PRIMARY, .ifindex = ifindex};
}

/* Somebody vetoes. A doubtful path still beats none. */
static __always_inline struct path choose_doubtful_path(__u64 veto, enum hl_liveness by) {
	__u32 primary;

	if (veto & ~HL_VETO_SOFT || alive(HL_ROLE_STANDBY, by)) return by_standby();
	primary = alive(HL_ROLE_PRIMARY, by);
	return primary ? by_primary(primary) : by_standby();
}

static __always_inline struct path choose_path(enum hl_liveness by) {
	__u64 veto = *(volatile __u64 *)&pair.veto;
	__u32 primary;

	if (unlikely(veto)) return choose_doubtful_path(veto, by);
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

static __always_inline int is_group(const __u8 *frame) {
	return frame[0] & 1;
}

/* What becomes of a received frame, in bits. */
enum verdict {
	DROP = 0,
	DELIVER = 1, /* to the master */
	KEEP = 2,    /* on the NIC: its protocol is the port's (lib/port.h) */
	ALONE = 4,   /* with KEEP: and the master, unless it is that NIC, hears nothing of it */
};

static __always_inline int drop(enum hl_counter why) {
	count(why);
	return DROP;
}

static __always_inline int verdict_on(enum copy copy) {
	if (copy == COPY_ECHO) return drop(HL_COUNT_DROP_ECHO);
	return copy == COPY_TWIN ? drop(HL_COUNT_DROP_TWIN) : DELIVER;
}

/* What the gate (xdp.bpf.c) writes before a frame that it let pass, so that tc does not judge it,
 * and count its twin, a second time. */
#define ACCEPTED_BY_GATE 0x484c4854u

static __always_inline int passed_gate(struct __sk_buff *skb) {
	const __u32 *meta = (void *)(long)skb->data_meta;

	return (void *)(meta + 1) <= (void *)(long)skb->data && *meta == ACCEPTED_BY_GATE;
}

__noinline int accept_copy(struct __sk_buff *skb, enum hl_role role, int lone) {
	struct twin_key key;

	if (!skb || !key_of_skb(skb, &key)) return DELIVER;
	return verdict_on(receive_copy(&key, role, lone));
}

/* Unicast that the network floods. Segments that the kernel has merged have no copy that is like them;
 * TCP tells those itself. */
static __always_inline int accept_flooded(struct __sk_buff *skb, enum hl_role role) {
	if (skb->gso_size || flipped_lately()) return DELIVER;
	return accept_copy(skb, role, 1);
}

/* Unicast for somebody else: behind the guest's bridge, or seen because the NIC is promiscuous. */
static __always_inline int accept_foreign(struct __sk_buff *skb, const __u8 *frame, enum hl_role role) {
	struct twin_key key;
	__u32 tag = tag_beside(skb);

	key_of_conversation(frame, canonical_tag(tag >> 16, tag), &key);
	if (is_conversation_of_ours(&key, role)) return drop(HL_COUNT_DROP_ECHO);
	return accept_flooded(skb, role);
}

static __always_inline int accept_own(struct __sk_buff *skb, enum hl_role role) {
	return undisturbed(role) || !in_doubt(role) ? DELIVER : accept_flooded(skb, role);
}

/* Whatever is not plainly for us. */
static __always_inline int accept_other(struct __sk_buff *skb, enum hl_role role) {
	const __u8 *frame;
	int keep;

	frame = (void *)(long)skb->data;
	if (frame + ETH_HLEN > (__u8 *)(long)skb->data_end) return DELIVER;
	if (is_channel(frame, bpf_ntohs(skb->protocol))) return KEEP | ALONE;
	if (passed_gate(skb)) return DELIVER;
	keep = belongs_to_port(frame, bpf_ntohs(skb->protocol)) ? KEEP : 0;
	if (skb->pkt_type == PACKET_HOST || is_own(frame)) return keep | accept_own(skb, role);
	if (is_own(frame + ETH_ALEN)) return drop(HL_COUNT_DROP_ECHO);
	if (!is_group(frame)) return keep | accept_foreign(skb, frame, role);
	return keep | accept_copy(skb, role, 0);
}

static __always_inline enum hl_counter received_by(enum hl_role role) {
	return role == HL_ROLE_PRIMARY ? HL_COUNT_RX_PRIMARY : HL_COUNT_RX_STANDBY;
}

/* A frame with another verdict than DELIVER. What its NIC keeps, the guest gets a copy of. */
static __always_inline int keep_on_nic(struct __sk_buff *skb, enum hl_role role, int verdict, __u32 entrance,
				     __u32 flags) {
	if (!(verdict & KEEP)) return TC_ACT_SHOT;
	if (verdict & DELIVER) {
		count(received_by(role));
		bpf_clone_redirect(skb, entrance, flags);
	}
	return TC_ACT_UNSPEC;
}

/*
 * Unicast for us, from either NIC, while the network knows where we are: delivered without a look at
 * the frame, whichever path is active. That is what makes a return hitless. The kernel has already
 * sorted frames by destination and protocol (eth_type_trans), so the hot path is four loads.
 */
static __always_inline int is_plain(struct __sk_buff *skb, enum hl_role role) {
	return skb->pkt_type == PACKET_HOST && !may_belong_to_port(skb->protocol) && undisturbed(role);
}

/* May this received frame be delivered? */
static __always_inline int accept(struct __sk_buff *skb, enum hl_role role) {
	return likely(is_plain(skb, role)) ? DELIVER : accept_other(skb, role);
}

#endif
