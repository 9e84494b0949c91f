// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Stands behind the programs under test, where the stack would: writes down what it is handed. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__u64 frames;
	__u32 pkt_type;
	__u32 tc_index;
	__u32 mark;
	__u32 len;
	__u32 vlan_tci;
	__u32 ifindex;
} witness SEC(".data.witness");

SEC("tc") int see(struct __sk_buff *skb) {
	witness.pkt_type = skb->pkt_type;
	witness.tc_index = skb->tc_index;
	witness.mark = skb->mark;
	witness.len = skb->len;
	witness.vlan_tci = skb->vlan_present ? skb->vlan_tci : 0;
	witness.ifindex = skb->ifindex;
	__sync_fetch_and_add(&witness.frames, 1);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
