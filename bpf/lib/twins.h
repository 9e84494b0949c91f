/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames that the network may deliver to both NICs, each exactly once; and none that the pair has
 * just sent. The network may flood a frame to both NICs, to either alone, or change its mind between
 * two frames; "drop on the inactive one" loses frames on platforms that flood to one side only. So
 * frames are paired: the n-th copy of a content on one NIC is the twin of the n-th copy on the other.
 * One signed number a content says how far the primary leads the standby; a frame that only catches
 * up is a twin and is dropped.
 *
 * An echo is what was sent by one NIC and comes back by the other; n copies sent are n echoes at most.
 * (What comes back by the NIC that sent it was returned on purpose: reflective relay, 802.1Qbg.)
 *
 * A copy waits for its twin, and a sent one for its echo, for at least one window and less than two,
 * whatever becomes of later copies of the same content: so a flood that changes sides is believed
 * again, and a content that repeats for ever carries no old surplus along.
 */
#ifndef HL_TWINS_H
#define HL_TWINS_H

#include "bpf/lib/content.h"

/* One word, so that CPUs settle who came first by compare-and-swap. */
union twin {
	__u64 word;
	struct {
		__s16 lead;        /* won in this window */
		__s16 lead_before; /* left over from the window before */
		__u32 window;      /* the number of this window since boot */
	};
};

struct sighting {
	union twin received;       /* the lead of the primary over the standby */
	union twin sent[HL_ROLES]; /* by the NIC that sent: the lead of that over what came back by the other */
};

#define LEAD_MAX 32767 /* more copies than that go unpaired rather than lost */

/* Contents and conversations seen lately. Writer and reader: BPF; lives with the programs; the least
 * recently used give way, which can only deliver a twin or an echo, never lose a frame. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct twin_key);
	__type(value, struct sighting);
} twins SEC(".maps");

static __always_inline __u32 window_now(void) {
	return bpf_ktime_get_ns() / (knobs.twin_window_ns ?: 1);
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

/* Moves the lead one step; says whether that only caught up. Copies of this window are caught up with
 * first: with the oldest first, a young one would be left over each time, and a surplus never expire. */
static __always_inline int advance(union twin *t, __s16 step, int may_lead, int lone) {
	__s16 *behind;

	if (lone && (t->lead + t->lead_before) * step < -1) t->lead = t->lead_before = 0;
	behind = t->lead * step < 0 ? &t->lead : t->lead_before * step < 0 ? &t->lead_before : NULL;
	if (behind) *behind += step;
	else if (may_lead && t->lead * step < LEAD_MAX) t->lead += step;
	return behind != NULL;
}

struct arrival {
	union twin *of;
	__u32 window;
	__s16 step;
	__u8 may_lead; /* else it may only catch up */
	__u8 lone;     /* it catches up with one copy, never with one of several */
	__u8 caught_up;
};

/* A callback: verified once, not once a try. */
static long try_arrival(__u32 i, struct arrival *a) {
	union twin old = {.word = *(volatile __u64 *)&a->of->word};
	union twin now = old;
	int caught_up;

	enter_window(&now, a->window);
	caught_up = advance(&now, a->step, a->may_lead, a->lone);
	if (__sync_val_compare_and_swap(&a->of->word, old.word, now.word) != old.word) return 0;
	a->caught_up = caught_up;
	return 1;
}

static __always_inline int catches_up(union twin *of, __s16 step, int may_lead, int lone) {
	struct arrival arrival = {
		.of = of, .window = window_now(), .step = step, .may_lead = may_lead, .lone = lone};

	bpf_loop(CAS_TRIES, try_arrival, &arrival, 0);
	return arrival.caught_up;
}

static __always_inline struct sighting *sighting_of(const struct twin_key *key) {
	struct sighting fresh = {};
	struct sighting *seen = bpf_map_lookup_elem(&twins, key);

	if (seen) return seen;
	/* Several CPUs may insert; the losers find the winner's. */
	bpf_map_update_elem(&twins, key, &fresh, BPF_NOEXIST);
	seen = bpf_map_lookup_elem(&twins, key);
	if (!seen) count(HL_COUNT_TWIN_TABLE_FULL);
	return seen;
}

enum copy { COPY_FIRST, COPY_TWIN, COPY_ECHO };

/*
 * A frame has come in by one NIC. Unicast is `lone`: several equal frames on one NIC and none on the
 * other are of a sender that repeats itself. When the network then leads them to the other NIC, they
 * are no duplicates.
 */
static __always_inline enum copy receive_copy(const struct twin_key *key, enum hl_role role, int lone) {
	struct sighting *seen = sighting_of(key);
	union twin *sent;

	if (!seen) return COPY_FIRST;
	sent = role == HL_ROLE_PRIMARY ? &seen->sent[HL_ROLE_STANDBY] : &seen->sent[HL_ROLE_PRIMARY];
	if (sent->word && catches_up(sent, -1, 0, 0)) return COPY_ECHO;
	return catches_up(&seen->received, role == HL_ROLE_PRIMARY ? 1 : -1, 1, lone) ? COPY_TWIN : COPY_FIRST;
}

/* A frame goes out by one NIC, and its copy may come back by the other. */
static __always_inline void send_copy(const struct twin_key *key, enum hl_role role) {
	struct sighting *seen = sighting_of(key);

	union twin *sent;

	if (!seen) return;
	sent = role == HL_ROLE_PRIMARY ? &seen->sent[HL_ROLE_PRIMARY] : &seen->sent[HL_ROLE_STANDBY];
	catches_up(sent, 1, 1, 0);
}

/* Unicast of others is not hashed on its way out, and may come back in other pieces: its echo is known
 * by who speaks to whom. */
static __always_inline void key_of_conversation(const __u8 *frame, __u32 tag, struct twin_key *key) {
	key->hash = mix(mix(knobs.seed, *(__u64 *)frame), *(__u32 *)(frame + 8));
	key->len = 0;
	key->tag = tag;
}

static __always_inline void send_conversation(const struct twin_key *key, enum hl_role role) {
	union twin now = {.lead = 1, .window = window_now()};
	struct sighting *seen = sighting_of(key);
	union twin *sent;

	if (!seen) return;
	sent = role == HL_ROLE_PRIMARY ? &seen->sent[HL_ROLE_PRIMARY] : &seen->sent[HL_ROLE_STANDBY];
	if (sent->word != now.word) *(volatile __u64 *)&sent->word = now.word;
}

static __always_inline int is_conversation_of_ours(const struct twin_key *key, enum hl_role role) {
	struct sighting *seen = bpf_map_lookup_elem(&twins, key);
	const union twin *sent;

	if (!seen) return 0;
	sent = role == HL_ROLE_PRIMARY ? &seen->sent[HL_ROLE_STANDBY] : &seen->sent[HL_ROLE_PRIMARY];
	return sent->word && (__s32)(window_now() - sent->window) <= 1;
}

#endif
