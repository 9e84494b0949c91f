/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks a NIC itself whether it can send: started, present, with carrier. Every way to lose a NIC
 * shows here before the driver's queue stops: ndo_stop, netif_carrier_off and netif_device_detach in
 * its state, unregister and a move to another namespace in its entry of `nics`, which the kernel
 * empties. While the entry is there the device is not freed (RCU), so no pointer is ever stale.
 *
 * Two ways to read kernel memory, one meaning. A load that faults yields 0, which is not alive.
 */
#ifndef HL_ALIVE_H
#define HL_ALIVE_H

#include "bpf/lib/kernel.h"
#include "bpf/lib/pair.h"

/* kernel/bpf/helpers.c: gives a scalar the type of a trusted-to-be-readable kernel object. 6.2+ */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#define cast(type, address) \
	((const struct type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(struct type)))

/* What stands in a role's place of the devmap; NULL when nothing does. hlist_head: some structure of
 * the kernel that is one pointer. */
static __always_inline void *entry_by_cast(const struct hl_nic *nic) {
	return cast(hlist_head, nic->slot)->first;
}

#ifndef HL_NICS
#define HL_NICS nics
#endif

static __always_inline int entry_by_lookup(enum hl_role role) {
	__u32 key = role;

	return bpf_map_lookup_elem(&HL_NICS, &key) != NULL;
}

static __always_inline const struct hl_nic *nic_of(enum hl_role role) {
	return role == HL_ROLE_PRIMARY ? &pair.primary : &pair.standby;
}

static __always_inline int alive_by_cast(const struct hl_nic *nic) {
	return can_send(cast(bpf_dtab_netdev, entry_by_cast(nic))->dev->state);
}

static __always_inline int alive_by_probe_read(enum hl_role role, const struct hl_nic *nic) {
	const struct net_device *dev = (void *)nic->netdev;

	return entry_by_lookup(role) && can_send(BPF_CORE_READ(dev, state));
}

static __always_inline int alive(enum hl_role role, enum hl_liveness by) {
	switch (by) {
	case HL_LIVENESS_CAST: return alive_by_cast(nic_of(role));
	case HL_LIVENESS_PROBE_READ: return alive_by_probe_read(role, nic_of(role));
	case HL_LIVENESS_NETLINK: return entry_by_lookup(role); /* else the controller vetoes */
	}
	return 0;
}

/* A NIC that was moved to another namespace takes its hooks along; its frames belong there, and our
 * master's ifindex may be a stranger's. */
static __always_inline int at_home(enum hl_role role, enum hl_liveness by) {
	if (by == HL_LIVENESS_CAST) return entry_by_cast(nic_of(role)) != NULL;
	return entry_by_lookup(role);
}

/* The same of a standby that is the master: where its tcx hooks went, the primary's ifindex is a
 * stranger's. Kernels without the cast have clsact, which a move takes away. */
static __always_inline int master_at_home(enum hl_liveness by) {
	return by != HL_LIVENESS_CAST || at_home(HL_ROLE_STANDBY, by);
}

#endif
