// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the measurements are taken over: a program that does nothing, and what each part of the
 * egress program costs on its own. Nothing here is loaded by the product. */
#include "bpf/lib/alive.h"
#include "bpf/lib/path.h"

SEC("tc") int empty(struct __sk_buff *skb) {
	return TC_ACT_UNSPEC;
}

SEC("tc") int part_redirect(struct __sk_buff *skb) {
	return bpf_redirect(pair.primary.ifindex, 0);
}

/* The helper calls that egress with probe_read cannot do without, and nothing else. */
SEC("tc") int part_three_helpers(struct __sk_buff *skb) {
	__u32 slot = HL_ROLE_PRIMARY;
	__u64 word;

	if (!bpf_map_lookup_elem(&nics, &slot)) return TC_ACT_OK;
	if (bpf_probe_read_kernel(&word, sizeof(word), (void *)pair.primary.netdev)) return TC_ACT_OK;
	return bpf_redirect(pair.primary.ifindex, 0);
}

SEC("tc") int part_counter(struct __sk_buff *skb) {
	count(HL_COUNT_TX_PRIMARY);
	return TC_ACT_UNSPEC;
}

SEC("tc") int part_veto(struct __sk_buff *skb) {
	return *(volatile __u64 *)&pair.veto ? TC_ACT_OK : TC_ACT_UNSPEC;
}

SEC("tc") int part_alive_cast(struct __sk_buff *skb) {
	return alive(HL_ROLE_PRIMARY, HL_LIVENESS_CAST) ? TC_ACT_UNSPEC : TC_ACT_OK;
}

SEC("tc") int part_alive_probe_read(struct __sk_buff *skb) {
	return alive(HL_ROLE_PRIMARY, HL_LIVENESS_PROBE_READ) ? TC_ACT_UNSPEC : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
