// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * On the taps of a hypervisor: the channel between its daemon and its guests. What a guest says is taken
 * out of the tap's ingress, so that no bridge, however it is set up, carries it to others. Towards the
 * guest only what the daemon sends passes: nobody else on the network can speak as the host.
 *
 * One object serves all taps of a network namespace. Its links are pinned: the guard stands while no daemon
 * runs. Other frames cost one look at fourteen bytes.
 */
#include "maps/hitless_host.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* enum tcx_action_base of 6.6. */
#define VERDICT_NEXT -1
#define VERDICT_DROP 2

/* Writer: the daemon, but for counts and booked. Pinned, for requests and counts outlive it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HL_TAPS);
	__type(key, __u32);
	__type(value, struct hl_tap);
} taps SEC(".maps");

/* Room for what 256 guests that flood may say in a tenth of a second. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} heard SEC(".maps");

struct tag {
	__be16 tci;
	__be16 type;
};

static __always_inline bool is_vlan(__be16 type) {
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* Where the message begins in a frame of the channel; 0: it is another frame. The protocol in the metadata
 * is not asked: whoever sends by a packet socket writes into it what he likes. */
static __always_inline __u32 message_at(struct __sk_buff *skb, struct ethhdr *start) {
	const __u8 address[ETH_ALEN] = HL_CHANNEL_ADDRESS;
	struct tag tag;

	if (bpf_skb_load_bytes(skb, 0, start, sizeof(*start))) return 0;
	for (int i = 0; i < ETH_ALEN; i++) /* unrolled: the address becomes constants */
		if (start->h_dest[i] != address[i]) return 0;
	if (start->h_proto == bpf_htons(HL_CHANNEL_ETHERTYPE)) return ETH_HLEN;
	if (!is_vlan(start->h_proto) || bpf_skb_load_bytes(skb, ETH_HLEN, &tag, sizeof(tag))) return 0;
	return tag.type == bpf_htons(HL_CHANNEL_ETHERTYPE) ? ETH_HLEN + sizeof(tag) : 0;
}

static __always_inline void count(struct hl_tap *tap, enum hl_tap_count what) {
	__sync_fetch_and_add(&tap->counts[what], 1);
}

/* Two CPUs may both let one pass: a message more does no harm. */
static __always_inline bool within_rate(struct hl_tap *tap) {
	__u64 now = bpf_ktime_get_ns(), booked = tap->booked;

	if (booked < now) booked = now;
	if (booked - now > HL_TAP_BURST * HL_TAP_GAP_NS) return false;
	tap->booked = booked + HL_TAP_GAP_NS;
	return true;
}

static __always_inline enum hl_tap_count hand_over(struct __sk_buff *skb, __u32 at,
						    const struct ethhdr *start) {
	struct hl_tap_heard *out = bpf_ringbuf_reserve(&heard, sizeof(*out), 0);

	if (!out) return HL_TAP_COUNT_FULL;
	out->ifindex = skb->ifindex;
	__builtin_memcpy(out->source, start->h_source, sizeof(out->source));
	__builtin_memset(out->reserved, 0, sizeof(out->reserved));
	if (bpf_skb_load_bytes(skb, at, &out->message, sizeof(out->message))) {
		bpf_ringbuf_discard(out, 0);
		return HL_TAP_COUNT_SHORT;
	}
	bpf_ringbuf_submit(out, 0);
	return HL_TAP_COUNT_HEARD;
}

SEC("tc") int hl_from_guest(struct __sk_buff *skb) {
	struct ethhdr start;
	__u32 at = message_at(skb, &start), key = skb->ifindex;
	struct hl_tap *tap;

	if (!at) return VERDICT_NEXT;
	tap = bpf_map_lookup_elem(&taps, &key);
	if (!tap) return VERDICT_DROP;
	if (at != ETH_HLEN || skb->vlan_present)
		count(tap, HL_TAP_COUNT_TAGGED);
	else if (!within_rate(tap))
		count(tap, HL_TAP_COUNT_LIMITED);
	else
		count(tap, hand_over(skb, at, &start));
	return VERDICT_DROP;
}

SEC("tc") int hl_to_guest(struct __sk_buff *skb) {
	struct ethhdr start;
	__u32 key = skb->ifindex;
	struct hl_tap *tap;

	if (!message_at(skb, &start) || skb->mark == HL_CHANNEL_MARK) return VERDICT_NEXT;
	tap = bpf_map_lookup_elem(&taps, &key);
	if (tap) count(tap, HL_TAP_COUNT_FOREIGN);
	return VERDICT_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
