/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unicast for the master that comes by the NIC which is not the path: a stray. After a flip that is the
 * network's old knowledge, delivered as it comes. Later it means that the network has forgotten where
 * the guest is and floods: then frames come by both NICs. While no stray comes nobody hashes unicast;
 * the first one puts both NICs in doubt for a second, and so may be delivered twice itself.
 */
#ifndef HL_STRAY_H
#define HL_STRAY_H

#include "bpf/lib/twins.h"

#define DOUBT_WINDOWS 20 /* since the last stray */
#define MOVING_WINDOWS 2 /* since a flip: the network moves frames from one NIC to the other, in order */

static __always_inline int is_path(enum hl_role role) {
	return (*(volatile __u64 *)&pair.veto == 0) == (role == HL_ROLE_PRIMARY);
}

/* Two loads of a line that the programs share and seldom write. */
static __always_inline int undisturbed(enum hl_role role) {
	__u64 veto = *(volatile __u64 *)&pair.veto;

	if (role == HL_ROLE_PRIMARY) return !(veto | *(volatile __u32 *)&pair.standby.stray);
	return veto && !*(volatile __u32 *)&pair.primary.stray;
}

static __always_inline int flipped_lately(void) {
	__u64 flips = pair.flips;
	const struct hl_flip *last = &pair.flip[(flips - 1) & (HL_FLIPS - 1)];

	return flips && bpf_ktime_get_boot_ns() - last->time_ns < MOVING_WINDOWS * knobs.twin_window_ns;
}

/* Whether unicast for the master may have a twin now. Notes a stray; ends the doubt when none came. */
static __always_inline int in_doubt(enum hl_role role) {
	struct hl_nic *mine = role == HL_ROLE_PRIMARY ? &pair.primary : &pair.standby;
	struct hl_nic *others = role == HL_ROLE_PRIMARY ? &pair.standby : &pair.primary;
	__u32 now = window_now() + 1; /* not 0 */

	if (flipped_lately()) return 0;
	if (!is_path(role)) {
		if (mine->stray != now && mine->stray != HL_STRAY_ASSUMED) *(volatile __u32 *)&mine->stray = now;
		return 1;
	}
	if (others->stray == HL_STRAY_ASSUMED || now - others->stray <= DOUBT_WINDOWS) return 1;
	*(volatile __u32 *)&others->stray = 0;
	return 0;
}

#endif
