// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The world around a guest that forwards, for scripts/bench: who sends, who forwards by XDP, and
 * who throws away. Nothing here is loaded by the product. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2 /* <sys/socket.h> is not for BPF */

const volatile __u32 way_out = 0;    /* ifindex for `blast` */
const volatile __u32 frame[15] = {}; /* what it sends: 64 bytes less the checksum on the wire */

SEC("xdp") int drop(struct xdp_md *ctx) {
	return XDP_DROP;
}

/* Run by BPF_PROG_RUN on live frames: a generator without socket buffers. The kernel hands out its
 * pages again as they came back, with what a router has written into them. */
SEC("xdp") int blast(struct xdp_md *ctx) {
	__u32 *to = (void *)(long)ctx->data;

	if ((void *)to + sizeof(frame) > (void *)(long)ctx->data_end) return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < 15; i++)
		to[i] = frame[i];
	return bpf_redirect(way_out, 0);
}

static __always_inline void decrease_ttl(struct iphdr *ip) {
	__u32 sum = ip->check + bpf_htons(0x0100);

	ip->check = (__u16)(sum + (sum >= 0xffff));
	ip->ttl--;
}

/* A router by the kernel's own tables, as samples/bpf/xdp_fwd. */
SEC("xdp") int route(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct bpf_fib_lookup way = {.family = AF_INET, .ifindex = ctx->ingress_ifindex};

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ttl <= 1)
		return XDP_PASS;
	way.tos = ip->tos;
	way.l4_protocol = ip->protocol;
	way.tot_len = bpf_ntohs(ip->tot_len);
	way.ipv4_src = ip->saddr;
	way.ipv4_dst = ip->daddr;
	if (bpf_fib_lookup(ctx, &way, sizeof(way), 0) != BPF_FIB_LKUP_RET_SUCCESS) return XDP_PASS;
	decrease_ttl(ip);
	__builtin_memcpy(eth->h_dest, way.dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, way.smac, ETH_ALEN);
	return bpf_redirect(way.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
