/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs on a hypervisor's taps (bpf/host.bpf.c) share with the daemon that loads them
 * (loader/kernel/bpf/tap_programs.hpp). The message itself: hitless_channel.h.
 */
#ifndef HITLESS_HOST_H
#define HITLESS_HOST_H

#include "maps/hitless_channel.h"

/* In the name of the pinned map of taps: a layout of another version is not taken for this one. */
#define HL_HOST_ABI_VERSION 1

/* Taps of one network namespace. */
#define HL_TAPS 4096

/* A guest says a few words at a change and one a second at rest; a full conversation never needs more than
 * this. What is above is lost, as on any network, before it can take room that others need. */
#define HL_TAP_BURST 64
#define HL_TAP_GAP_NS 5000000ull /* 200 a second */

/* Frames of the channel on one tap, by what became of them. */
#define HL_TAP_COUNT_LIST(X)                                                                       \
	X(HEARD, "heard", "from the guest, given to the daemon")                                   \
	X(LIMITED, "limited", "from the guest, too many")                                          \
	X(TAGGED, "tagged", "from the guest, in a VLAN: not the guest's own word")                 \
	X(SHORT, "short", "from the guest, too short for a message")                               \
	X(FULL, "full", "from the guest, while the daemon did not read")                           \
	X(FOREIGN, "foreign", "to the guest, and not from the daemon: dropped")

enum hl_tap_count {
#define X(name, text, meaning) HL_TAP_COUNT_##name,
	HL_TAP_COUNT_LIST(X)
#undef X
		HL_TAP_COUNTS
};

/* What is requested of a guest; survives the daemon. */
enum hl_tap_request { HL_TAP_REQUEST_NONE, HL_TAP_REQUEST_GIVE, HL_TAP_REQUEST_TAKE };

/* One tap, by its ifindex. */
struct hl_tap {
	__u64 booked; /* how far ahead of its rate the guest is: ns of CLOCK_MONOTONIC */
	__u64 counts[HL_TAP_COUNTS];
	__u32 request; /* enum hl_tap_request; writer: daemon */
	/* 1: the guest may send by its primary, for it was delivered to or the guest has said so, and has
	 * not said since that it has left; survives the daemon, as does a guest that does not answer. */
	__u32 given;
};

/* One message that a guest sent, as it lies in the ring. */
struct hl_tap_heard {
	__u32 ifindex;
	__u8 source[6]; /* MAC: names of taps are used again, for other guests */
	__u8 reserved[6];
	struct hl_channel_message message;
};

#endif
