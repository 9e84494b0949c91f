/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Leaving the primary from inside the datapath, and writing it down. maps/pair_view.hpp is the
 * same in C++ for the writers in userspace. */
#ifndef HL_FLIP_H
#define HL_FLIP_H

#include "bpf/lib/pair.h"

static __always_inline void record_flip(__u64 before, __u64 after, enum hl_actor actor) {
	__u64 seq = __sync_fetch_and_add(&pair.flips, 1);
	struct hl_flip *slot = &pair.flip[seq & (HL_FLIPS - 1)];

	slot->seq = 0;
	slot->time_ns = bpf_ktime_get_boot_ns();
	slot->veto_before = before;
	slot->veto_after = after;
	slot->actor = actor;
	slot->lost = 0;
	barrier();
	slot->seq = seq + 1;
}

/* Called by every CPU that finds the primary dead; the one that sets the bit first records it. */
static __noinline int latch(enum hl_veto_bit bit) {
	__u64 reason = 1ull << bit;
	__u64 before = __sync_fetch_and_or(&pair.veto, reason);

	if (before & reason) return 0;
	pair.note[bit & (HL_VETO_BITS - 1)] =
		(struct hl_note){.time_ns = bpf_ktime_get_boot_ns(), .actor = HL_ACTOR_DATAPATH};
	if (!before) record_flip(before, reason, HL_ACTOR_DATAPATH);
	ring_bell();
	return 0;
}

#endif
