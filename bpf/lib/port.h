/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Protocols of the link between a port and its switch: 802.1X, LLDP, PTP, LACP and other slow
 * protocols, spanning tree, and whatever else is sent to the addresses that no bridge forwards
 * (802.1Q, table 8-1). Their frames stay on the NIC that they came by, where its daemons listen; the
 * master hears them as it hears any frame.
 */
#ifndef HL_PORT_H
#define HL_PORT_H

#include "bpf/lib/pair.h"
#include "maps/hitless_channel.h"

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

/* 01:80:c2:00:00:00 to 0f */
static __always_inline int is_link_local(const __u8 *mac) {
	return *(__u32 *)mac == bpf_htonl(0x0180c200) && mac[4] == 0 && mac[5] < 0x10;
}

/* By `skb->protocol` alone: all types below begin with this byte, and those of IP and ARP do not. */
static __always_inline int may_belong_to_port(__u32 protocol) {
	return (protocol & 0xff) == (bpf_htons(0x8800) & 0xff);
}

static __always_inline int belongs_to_port(const __u8 *frame, __u32 type) {
	switch (type) {
	case ETH_P_PAE:
	case ETH_P_LLDP:
	case ETH_P_1588:
	case ETH_P_SLOW: return 1;
	case ETH_P_IP:
	case ETH_P_IPV6:
	case ETH_P_ARP: return 0; /* the stack behind the NIC would take them for the master's */
	}
	return is_link_local(frame);
}

/* The channel between host and guest (maps/hitless_channel.h): what came by one NIC must not be taken for
 * what came by the other, so the master gets no copy. */
static __always_inline int is_channel(const __u8 *frame, __u32 type) {
	return type == HL_CHANNEL_ETHERTYPE && is_link_local(frame) && frame[5] == 0x0e;
}

#endif
