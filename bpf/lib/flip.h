/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Leaving the primary from inside the kernel. PairView::set_veto() is what writers in userspace do. */
#ifndef HL_FLIP_H
#define HL_FLIP_H

#include "maps/hitless_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Called by every CPU that finds the primary dead; true on the one that sets the bit first. It records
 * the flip, and its caller rings a bell. */
static __noinline int latch(struct hl_pair *of, enum hl_veto_bit bit) {
	__u64 reason = 1ull << bit;
	__u64 before = __sync_fetch_and_or(&of->veto, reason);

	if (before & reason) return 0;
	of->note[bit & (HL_VETO_BITS - 1)] =
		(struct hl_note){.time_ns = bpf_ktime_get_boot_ns(), .actor = HL_ACTOR_DATAPATH};
	if (!before)
		hl_write_flip(of, __sync_fetch_and_add(&of->flips, 1), bpf_ktime_get_boot_ns(), before, reason,
			      HL_ACTOR_DATAPATH);
	return 1;
}

#endif
