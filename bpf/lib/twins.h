/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Multicast and broadcast, each exactly once. The network may deliver such a frame to both NICs, to
 * either alone, or change its mind between two frames; "drop on the inactive one" loses frames on
 * platforms that flood to one side only. So frames are paired: the n-th copy of a content on one
 * NIC is the twin of the n-th copy on the other. One signed number a content says how far the
 * primary leads the standby; a frame that only catches up is a twin and is dropped.
 *
 * A copy waits for its twin for at least one window and less than two, whatever becomes of later
 * copies of the same content: so a flood that changes sides is believed again, and a content that
 * repeats for ever carries no old surplus along.
 *
 * A frame has one key wherever it is seen: tc finds its outer VLAN tag beside it, XDP inside.
 */
#ifndef HL_TWINS_H
#define HL_TWINS_H

#include "bpf/lib/pair.h"

struct twin_key {
	__u64 hash; /* over every byte of the frame but its outer VLAN tag */
	__u32 len;
	__u32 tag; /* the outer VLAN tag */
};

/* One word, so that CPUs settle who came first by compare-and-swap. Leads are positive when the
 * primary is ahead. */
union twin {
	__u64 word;
	struct {
		__s16 lead;        /* won in this window */
		__s16 lead_before; /* left over from the window before */
		__u32 window;      /* the number of this window since boot */
	};
};

#define LEAD_MAX 32767 /* more copies than that go unpaired rather than lost */

/* Contents seen lately. Writer and reader: BPF; lives with the programs; the least recently used
 * give way, which can only deliver a twin, never lose a frame. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct twin_key);
	__type(value, union twin);
} twins SEC(".maps");

#define ADDRESSES 12 /* bytes of the two MAC addresses; an outer VLAN tag follows them */
#define MIX_WORDS 32 /* larger costs stack, smaller helper calls: a call costs as much as 20 words */
#define MIX_BLOCK 8 /* words */
#define MIX_BYTES (MIX_WORDS * 8)
#define MIX_MAX_CHUNKS (65536 / MIX_BYTES)

struct mix {
	void *ctx;
	__u32 at;  /* where in the frame its content behind the addresses begins */
	__u32 len; /* of that content */
	__u64 hash;
};

/* Copies bytes of the frame behind a context of one kind. */
typedef long (*load_fn)(void *ctx, __u32 from, void *to, __u32 size);

static __always_inline long load_skb(void *ctx, __u32 from, void *to, __u32 size) {
	return bpf_skb_load_bytes(ctx, from, to, size);
}

/* The product of the two halves depends on the secret in every bit that a chosen difference between
 * two frames could reach: no such difference can be taken back by the next word. */
static __always_inline __u64 mix(__u64 hash, __u64 word) {
	hash ^= word;
	hash = (hash & 0xffffffff) * (hash >> 32) + hash * 0x9fb21c651e98df25ull; /* of rrmxmx */
	return hash ^ hash >> 28;
}

static __always_inline long mix_chunk(__u32 i, struct mix *m, load_fn load) {
	__u64 words[MIX_WORDS] = {};
	__u32 from = i * MIX_BYTES;
	__u32 left = m->len - from;
	__u64 hash = m->hash;

	if (from >= m->len) return 1;
	if (left > MIX_BYTES) left = MIX_BYTES;
	barrier_var(left);
	left = ((left - 1) & (MIX_BYTES - 1)) + 1; /* no change, but it tells every verifier: not 0 */
	if (load(m->ctx, m->at + from, words, left)) return 1;
	/* Whole blocks, the last one with the zeros behind it: a bound for every word would have the
	 * verifier walk the loop once a length, and an attach wait for it. */
#pragma unroll
	for (__u32 w = 0; w < MIX_WORDS; w++) {
		if (w % MIX_BLOCK == 0 && w * 8 >= left) break;
		hash = mix(hash, words[w]);
	}
	m->hash = hash;
	return 0;
}

static __always_inline void mix_addresses(struct mix *m, load_fn load) {
	__u64 words[2] = {};

	load(m->ctx, 0, words, ADDRESSES);
	m->hash = mix(mix(m->hash, words[0]), words[1]);
}

static long mix_chunk_skb(__u32 i, struct mix *m) {
	return mix_chunk(i, m, load_skb);
}

static __always_inline void twin_key_of_skb(struct __sk_buff *skb, struct twin_key *key) {
	struct mix m = {.ctx = skb, .at = ADDRESSES, .len = skb->len - ADDRESSES, .hash = knobs.seed};

	mix_addresses(&m, load_skb);
	bpf_loop(MIX_MAX_CHUNKS, mix_chunk_skb, &m, 0);
	key->hash = m.hash;
	key->len = skb->len;
	key->tag = skb->vlan_present ? skb->vlan_proto << 16 | skb->vlan_tci : 0;
}

#define CAS_TRIES 8 /* more than CPUs that can race for one frame's two copies */

/* Signed: another CPU may already have seen the next window. */
static __always_inline void enter_window(union twin *t, __u32 window) {
	__s32 later = window - t->window;

	if (later <= 0) return;
	t->lead_before = later == 1 ? t->lead : 0;
	t->lead = 0;
	t->window = window;
}

/* Moves the lead one step; says whether that only caught up. The youngest copy is caught up with
 * first: the oldest would leave a young one over each time, and a surplus would never age. */
static __always_inline int advance(union twin *t, __s16 step) {
	__s16 *behind = t->lead * step < 0 ? &t->lead : t->lead_before * step < 0 ? &t->lead_before : NULL;

	if (behind) *behind += step;
	else if (t->lead * step < LEAD_MAX) t->lead += step;
	return behind != NULL;
}

struct arrival {
	union twin *seen;
	__u32 window;
	__s16 step;
	__s16 twin; /* whether it only caught up */
};

/* A callback: verified once, not once a try. */
static long try_arrival(__u32 i, struct arrival *a) {
	union twin old = {.word = *(volatile __u64 *)&a->seen->word};
	union twin now = old;
	int twin;

	enter_window(&now, a->window);
	twin = advance(&now, a->step);
	if (__sync_val_compare_and_swap(&a->seen->word, old.word, now.word) != old.word) return 0;
	a->twin = twin;
	return 1;
}

static __always_inline int catches_up(union twin *seen, enum hl_role role) {
	struct arrival arrival = {
		.seen = seen,
		.window = bpf_ktime_get_ns() / (knobs.twin_window_ns ?: 1),
		.step = role == HL_ROLE_PRIMARY ? 1 : -1,
	};

	bpf_loop(CAS_TRIES, try_arrival, &arrival, 0);
	return arrival.twin;
}

static __always_inline int is_second(const struct twin_key *key, enum hl_role role) {
	union twin fresh = {};
	union twin *seen = bpf_map_lookup_elem(&twins, key);

	if (!seen) {
		/* Both CPUs may insert; the loser finds the winner's. */
		bpf_map_update_elem(&twins, key, &fresh, BPF_NOEXIST);
		seen = bpf_map_lookup_elem(&twins, key);
	}
	if (!seen) {
		count(HL_COUNT_TWIN_TABLE_FULL);
		return 0;
	}
	return catches_up(seen, role);
}

/* Of a frame that is at least an Ethernet header long. */
static __noinline int is_twin(struct __sk_buff *skb, enum hl_role role) {
	struct twin_key key;

	if (!skb) return 0;
	twin_key_of_skb(skb, &key);
	return is_second(&key, role);
}

#endif
