/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When two frames are the same frame: the key of a frame is a hash of its content, and the same
 * wherever and in whatever state the frame is seen. A network or a NIC may change on the way, and the
 * key therefore leaves out:
 *   the padding of short frames, told from the length that IPv4, IPv6 or ARP give; zeros elsewhere,
 *   the checksum of TCP, UDP and their like, which paravirtual NICs hand on unfinished,
 *   the place of the outer VLAN tag: tc finds it beside the frame, XDP inside; a tag of VLAN 0 is none.
 * What a checksum is of is in the key, so two frames that differ there alone are no two frames.
 */
#ifndef HL_CONTENT_H
#define HL_CONTENT_H

#include "bpf/lib/pair.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include <bpf/bpf_endian.h>

struct twin_key {
	__u64 hash; /* over addresses and content, without the outer VLAN tag */
	__u32 len;  /* of the content; 0: the key of a conversation, whose hash is over the addresses alone */
	__u32 tag;  /* the outer VLAN tag: protocol and VLAN */
};

#define ADDRESSES 12 /* bytes of the two MAC addresses; an outer VLAN tag follows them */
#define VLAN_TAG 4   /* bytes */
#define VLAN_ID 0xfff
#define INNER_TAGS 2 /* beyond the outer one */
#define IPV6_HEADER 40
#define IPV6_EXTENSIONS 3
#define FRAGMENT_OFFSET 0x1fff
#define HEAD 128 /* bytes in which all headers are looked for: a power of two */
#define PADDED 48 /* bytes that a content is padded to: a frame of 60 without the addresses */

#define MIX_WORDS 32 /* larger costs stack, smaller helper calls: a call costs as much as 20 words */
#define MIX_BLOCK 8 /* words */
#define MIX_BYTES (MIX_WORDS * 8)
#define MIX_MAX_CHUNKS (65536 / MIX_BYTES)

struct content {
	void *ctx;
	__u32 at;  /* where in the frame the content behind addresses and outer tag begins */
	__u32 len; /* of that content, without padding */
	__u32 sum; /* where in the content the transport checksum is, which is even; 0: nowhere */
	__u32 tag;
	__u64 hash;
};

/* Copies bytes of the frame behind a context of one kind. */
typedef long (*load_fn)(void *ctx, __u32 from, void *to, __u32 size);

static __always_inline long load_skb(void *ctx, __u32 from, void *to, __u32 size) {
	return bpf_skb_load_bytes(ctx, from, to, size);
}

static __always_inline long load_xdp(void *ctx, __u32 from, void *to, __u32 size) {
	return bpf_xdp_load_bytes(ctx, from, to, size);
}

/* The product of the two halves depends on the secret in every bit that a chosen difference between
 * two frames could reach: no such difference can be taken back by the next word. */
static __always_inline __u64 mix(__u64 hash, __u64 word) {
	hash ^= word;
	hash = (hash & 0xffffffff) * (hash >> 32) + hash * 0x9fb21c651e98df25ull; /* of rrmxmx */
	return hash ^ hash >> 28;
}

static __always_inline long mix_chunk(__u32 i, struct content *c, load_fn load) {
	__u64 words[MIX_WORDS] = {};
	__u32 from = i * MIX_BYTES;
	__u32 left = c->len - from;
	__u32 sum = c->sum;
	__u64 hash = c->hash;

	if (from >= c->len) return 1;
	if (left > MIX_BYTES) left = MIX_BYTES;
	barrier_var(left);
	left = ((left - 1) & (MIX_BYTES - 1)) + 1; /* no change, but it tells every verifier: not 0 */
	if (load(c->ctx, c->at + from, words, left)) return 1;
	if (!from && sum) *(__u16 *)((__u8 *)words + (sum & (MIX_BYTES - 2))) = 0;
	/* Whole blocks, the last one with the zeros behind it: a bound for every word would have the
	 * verifier walk the loop once a length, and an attach wait for it. */
#pragma unroll
	for (__u32 w = 0; w < MIX_WORDS; w++) {
		if (w % MIX_BLOCK == 0 && w * 8 >= left) break;
		hash = mix(hash, words[w]);
	}
	c->hash = hash;
	return 0;
}

static long mix_chunk_skb(__u32 i, struct content *c) {
	return mix_chunk(i, c, load_skb);
}

static long mix_chunk_xdp(__u32 i, struct content *c) {
	return mix_chunk(i, c, load_xdp);
}

struct head {
	__u8 bytes[HEAD];
} __attribute__((aligned(8)));

static __always_inline __u32 byte_at(const struct head *head, __u32 at) {
	return head->bytes[at & (HEAD - 1)]; /* not a comparison, which would double the verifier's ways */
}

static __always_inline __u32 word_at(const struct head *head, __u32 at) {
	return byte_at(head, at) << 8 | byte_at(head, at + 1);
}

static __always_inline int is_tag(__u32 type) {
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Behind the start of a transport header; 0: it has no checksum that a NIC would finish. */
static __always_inline __u32 checksum_of(__u32 protocol) {
	switch (protocol) {
	case IPPROTO_TCP: return 16;
	case IPPROTO_UDP: return 6;
	case IPPROTO_ICMPV6: return 2;
	}
	return 0;
}

struct packet {
	__u32 at, end; /* in the frame; end 0: as long as the frame is */
	__u32 transport;
	__u32 protocol; /* 0: no transport header */
};

static __always_inline void parse_ipv4(const struct head *head, struct packet *p) {
	__u32 size = (byte_at(head, p->at) & 0xf) * 4;
	__u32 total = word_at(head, p->at + 2);

	p->transport = p->at + size;
	if (total >= size) p->end = p->at + total; /* a shorter one is no IPv4 packet, or a huge one (0) */
	if (!(word_at(head, p->at + 6) & FRAGMENT_OFFSET)) p->protocol = byte_at(head, p->at + 9);
}

static __always_inline void parse_ipv6(const struct head *head, struct packet *p) {
	__u32 payload = word_at(head, p->at + 4);
	__u32 next = byte_at(head, p->at + 6);
	__u32 at = p->at + IPV6_HEADER;

	if (payload) p->end = at + payload; /* 0: a huge one */
	for (int i = 0; i < IPV6_EXTENSIONS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS) break;
		next = byte_at(head, at);
		at += 8 + 8 * byte_at(head, at + 1);
	}
	if (at >= HEAD) return;
	p->transport = at;
	p->protocol = next; /* behind a fragment header nothing is left to a NIC */
}

/* Where the packet in the frame ends, and where its checksum is. Not static, as others below: the
 * verifier goes through such a function once, and not once a way that leads here. */
__noinline int parse(const struct head *head, struct content *c, __u32 frame_len) {
	struct packet p = {};
	__u32 at, type, sum;

	if (!head || !c) return -1;
	at = c->at;
	type = word_at(head, at);

#pragma unroll
	for (int i = 0; i < INNER_TAGS; i++) {
		if (!is_tag(type)) break;
		at += VLAN_TAG;
		type = word_at(head, at);
	}
	p.at = at + 2;
	if (type == ETH_P_IP) parse_ipv4(head, &p);
	else if (type == ETH_P_IPV6) parse_ipv6(head, &p);
	else if (type == ETH_P_ARP) p.end = p.at + 8 + 2 * (byte_at(head, p.at + 4) + byte_at(head, p.at + 5));
	if (!p.end || p.end > frame_len) p.end = frame_len;
	if (p.end < c->at) p.end = c->at;
	c->len = p.end - c->at;
	sum = checksum_of(p.protocol);
	if (sum && p.transport + sum + 2 <= p.end && p.transport + sum - c->at < MIX_BYTES)
		c->sum = p.transport + sum - c->at;
	return 0;
}

/* As it stands in a key; a tag of VLAN 0 carries a priority and no VLAN. */
static __always_inline __u32 canonical_tag(__u32 type, __u32 tci) {
	return tci & VLAN_ID ? type << 16 | (tci & VLAN_ID) : 0;
}

static __always_inline __u32 tag_beside(const struct __sk_buff *skb) {
	return skb->vlan_present ? bpf_ntohs(skb->vlan_proto) << 16 | (skb->vlan_tci & 0xffff) : 0;
}

/* The outer tag of a frame whose addresses are readable. */
static __always_inline __u32 tag_inside(const __u8 *frame, const void *end) {
	const __be16 *tag = (void *)(frame + ADDRESSES);

	if ((void *)(tag + 2) > end || !is_tag(bpf_ntohs(tag[0]))) return 0;
	return canonical_tag(bpf_ntohs(tag[0]), bpf_ntohs(tag[1]));
}

/* All of `content` but its context. `tag` is the one beside the frame. */
static __always_inline int describe(void *ctx, struct content *c, __u32 frame_len, __u32 tag, load_fn load) {
	struct head head = {};
	__u32 size = frame_len < HEAD ? frame_len : HEAD;

	if (size < ETH_HLEN) return -1;
	barrier_var(size);
	if (size < 1 || size > HEAD) return -1; /* never, but it tells every verifier */
	if (load(ctx, 0, &head, size)) return -1;
	c->at = ADDRESSES;
	if (!tag && is_tag(word_at(&head, ADDRESSES))) {
		tag = word_at(&head, ADDRESSES) << 16 | word_at(&head, ADDRESSES + 2);
		c->at += VLAN_TAG;
	}
	c->tag = canonical_tag(tag >> 16, tag);
	c->hash = mix(mix(knobs.seed, *(__u64 *)head.bytes), *(__u32 *)(head.bytes + 8));
	return parse(&head, c, frame_len);
}

__noinline int describe_skb(struct __sk_buff *skb, struct content *c) {
	if (!skb || !c) return -1;
	return describe(skb, c, skb->len, tag_beside(skb), load_skb);
}

__noinline int describe_xdp(struct xdp_md *xdp, struct content *c) {
	if (!xdp || !c) return -1;
	return describe(xdp, c, bpf_xdp_get_buff_len(xdp), 0, load_xdp);
}

static __always_inline void finish_key(const struct content *c, struct twin_key *key) {
	key->hash = c->hash;
	key->len = c->len < PADDED ? PADDED : c->len;
	key->tag = c->tag;
}

/* Of a frame that is at least an Ethernet header long; false when it cannot be read. */
static __always_inline int key_of_skb(struct __sk_buff *skb, struct twin_key *key) {
	struct content c = {};

	if (describe_skb(skb, &c)) return 0;
	c.ctx = skb;
	bpf_loop(MIX_MAX_CHUNKS, mix_chunk_skb, &c, 0);
	finish_key(&c, key);
	return 1;
}

static __always_inline int key_of_xdp(struct xdp_md *xdp, struct twin_key *key) {
	struct content c = {};

	if (describe_xdp(xdp, &c)) return 0;
	c.ctx = xdp;
	bpf_loop(MIX_MAX_CHUNKS, mix_chunk_xdp, &c, 0);
	finish_key(&c, key);
	return 1;
}

#endif
