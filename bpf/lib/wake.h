/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A controller that probes the path while the guest sends sleeps while it does not: it leaves a mark,
 * and the next frame rings the bell. */
#ifndef HL_WAKE_H
#define HL_WAKE_H

#include "bpf/lib/pair.h"

/* CPUs may race here and ring twice, which harms nobody. */
static __noinline int wake(void) {
	*(volatile __u8 *)&pair.wake = 0;
	ring_bell();
	return 0;
}

/* The mark stands in the line that egress has read anyway. */
static __always_inline void wake_if_asked(void) {
	if (unlikely(*(volatile __u8 *)&pair.wake)) wake();
}

#endif
