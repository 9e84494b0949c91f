/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds what the datapath reads of a NIC that stands in `nics`: its place there and the net_device
 * behind it. Runs once an attach, never a frame.
 */
#ifndef HL_RESOLVE_H
#define HL_RESOLVE_H

#include "bpf/lib/alive.h"

#define ENOENT 2

/* Addresses last and cleared first: a frame in between sees "none", never half a device. */
static __always_inline void store_nic(struct hl_nic *nic, __u64 slot, __u64 netdev, __u32 ifindex) {
	nic->slot = 0;
	nic->netdev = 0;
	barrier();
	nic->ifindex = ifindex;
	barrier();
	nic->netdev = netdev;
	nic->slot = slot;
}

static __always_inline int resolve(enum hl_role role, struct hl_nic *nic) {
	/* A map is readable as the kernel's structure behind it (5.9). */
	const struct bpf_dtab *map = (void *)&nics;
	struct bpf_dtab_netdev **slot = map->netdev_map + role, *entry = NULL;
	__u32 key = role;
	__u32 *ifindex = bpf_map_lookup_elem(&nics, &key);

	if (!ifindex) return -ENOENT;
	bpf_probe_read_kernel(&entry, sizeof(entry), slot);
	store_nic(nic, (__u64)slot, (__u64)BPF_CORE_READ(entry, dev), *ifindex);
	return 0;
}

#endif
