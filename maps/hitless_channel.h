/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The channel: how a hypervisor's `hitless host run` and the `hitless run` of its guest talk. Included by
 * BPF C (bpf/host.bpf.c) and by C++ (loader/core/channel_message.hpp, which is the only code that reads or
 * writes a message); there is no second copy of anything below.
 *
 * A message goes by the standby's own wire, in an Ethernet frame of its own from the guest to its tap or
 * back, or, the same bytes without the Ethernet header, by a virtio-serial port (HL_CHANNEL_PORT).
 *
 * There is no session. A message is the whole state of its sender, a statement with a number. The other
 * side echoes the newest statement that it has heard; until then it is sent again. A side obeys only what
 * echoes its own nonce, from a boot that is known to be alive (loader/core/conversation.hpp).
 */
#ifndef HITLESS_CHANNEL_H
#define HITLESS_CHANNEL_H

#include <linux/types.h>

#define HL_CHANNEL_MAGIC 0x686c6863u /* "hlhc" */
#define HL_CHANNEL_ETHERTYPE 0x88b5  /* IEEE 802, local experimental 1 */
#define HL_CHANNEL_PORT "org.hitless.0"

/* Nearest non-TPMR bridge: no bridge forwards it, unless somebody set bit 14 of group_fwd_mask. */
#define HL_CHANNEL_ADDRESS { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e }

/* The mark (SO_MARK) on the frames that the host's daemon sends on a tap. A program on the tap's egress drops
 * every other frame of this EtherType: what the bridge forwards is never heard as the host. */
#define HL_CHANNEL_MARK 0x686c0001u

/* A change that older readers would misunderstand raises the version; what was reserved and may be ignored
 * does not. A longer message is read up to what the reader knows of it. */
#define HL_CHANNEL_VERSION 1

enum hl_channel_side { HL_CHANNEL_GUEST = 1, HL_CHANNEL_HOST = 2 };

/* What the guest's primary is to it: X(NAME, "name", "meaning"), from less to more but for `left`. */
#define HL_CHANNEL_PRIMARY_LIST(X)                                                                 \
	X(NONE, "none", "the guest has no primary")                                                \
	X(PRESENT, "present", "a primary is there and cannot receive yet")                         \
	X(READY, "ready", "the guest receives by the primary and does not send by it")             \
	X(IN_USE, "in-use", "the guest sends by the primary")                                      \
	X(LEFT, "left", "the guest left the primary because the host wanted it; nothing is queued")

enum hl_channel_primary {
#define X(name, text, meaning) HL_CHANNEL_PRIMARY_##name,
	HL_CHANNEL_PRIMARY_LIST(X)
#undef X
		HL_CHANNEL_PRIMARIES
};

/* Where frames for the guest go, or shall go. UNKNOWN: the host could not read it; the guest keeps to what
 * it did. */
#define HL_CHANNEL_PATH_LIST(X)                                                                    \
	X(UNKNOWN, "unknown")                                                                      \
	X(STANDBY, "standby")                                                                      \
	X(PRIMARY, "primary")

enum hl_channel_path {
#define X(name, text) HL_CHANNEL_PATH_##name,
	HL_CHANNEL_PATH_LIST(X)
#undef X
		HL_CHANNEL_PATHS
};

enum hl_channel_flags {
	/* The other side has not echoed this statement yet: an answer is wanted. */
	HL_CHANNEL_ANSWER = 1 << 0,
	/* The sender takes the boot that `echo_nonce` names for the other side, and obeys it. Without this flag
	 * the echo says no more than that something was heard. */
	HL_CHANNEL_ADOPTED = 1 << 1,
	HL_CHANNEL_FLAGS = HL_CHANNEL_ANSWER | HL_CHANNEL_ADOPTED,
};

/* Integers in network byte order. What a side does not say is 0. */
struct hl_channel_message {
	__u32 magic;
	__u8 version; /* of the sender */
	__u8 oldest;  /* version of a reader that still understands this message */
	__u8 side;    /* enum hl_channel_side */
	__u8 flags;
	__u64 nonce; /* names the sender's boot; never 0 */
	__u64 epoch; /* number of this statement, which grows with each change; never 0 */
	__u64 echo_nonce; /* of the newest statement heard from the other side; 0: none */
	__u64 echo_epoch;
	/* The guest's statement. */
	__u8 able;    /* 1: the guest would use a primary if it had one */
	__u8 primary; /* enum hl_channel_primary */
	/* The host's. */
	__u8 want;     /* enum hl_channel_path: by which the guest shall send */
	__u8 downlink; /* enum hl_channel_path: where frames for the guest go now */
	__u32 lease_ms; /* after so long without a word from the host the guest decides alone */
	__u32 slot;     /* the guest's: PCI slot number of its primary, as hypervisors number them; 0: unknown */
	__u32 reserved;
};

#define HL_CHANNEL_FRAME (14 + sizeof(struct hl_channel_message))

#ifdef __cplusplus
static_assert(sizeof(struct hl_channel_message) == 56, "a message's size is a part of the contract");
static_assert(__builtin_offsetof(struct hl_channel_message, able) == 40, "likewise its layout");
#else
_Static_assert(sizeof(struct hl_channel_message) == 56, "a message's size is a part of the contract");
_Static_assert(__builtin_offsetof(struct hl_channel_message, able) == 40, "likewise its layout");
#endif

#endif
