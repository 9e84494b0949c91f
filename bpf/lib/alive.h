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

/* The number of the device that stands there, as it was put there; NULL when none does. */
static __always_inline const __u32 *entry_by_lookup(__u32 place) {
	return bpf_map_lookup_elem(&HL_NICS, &place);
}

static __always_inline const struct hl_nic *nic_of(enum hl_role role) {
	return role == HL_ROLE_PRIMARY ? &pair.primary : &pair.standby;
}

static __always_inline const struct net_device *device_by_cast(const struct hl_nic *nic) {
	return cast(bpf_dtab_netdev, entry_by_cast(nic))->dev;
}

static __always_inline __u32 alive_by_cast(const struct hl_nic *nic) {
	const struct net_device *dev = device_by_cast(nic);

	return can_send(dev->state) ? dev->ifindex : 0;
}

static __always_inline __u32 present_by_lookup(__u32 place) {
	const __u32 *ifindex = entry_by_lookup(place);

	return ifindex ? *ifindex : 0;
}

static __always_inline __u32 alive_by_probe_read(enum hl_role role, const struct hl_nic *nic) {
	const struct net_device *dev = (void *)nic->netdev;
	__u32 ifindex = present_by_lookup(role);

	return ifindex && can_send(BPF_CORE_READ(dev, state)) ? ifindex : 0;
}

/*
 * The number by which frames reach a role's NIC, of the very device that was asked; 0 when it is not
 * alive. Another look for the number could find that the loader has forgotten the NIC meanwhile.
 */
static __always_inline __u32 alive(enum hl_role role, enum hl_liveness by) {
	switch (by) {
	case HL_LIVENESS_CAST: return alive_by_cast(nic_of(role));
	case HL_LIVENESS_PROBE_READ: return alive_by_probe_read(role, nic_of(role));
	case HL_LIVENESS_NETLINK: return present_by_lookup(role); /* else the controller vetoes */
	}
	return 0;
}

/* The same of a NIC that need not be able to send. */
static __always_inline __u32 present(enum hl_role role, enum hl_liveness by) {
	return by == HL_LIVENESS_CAST ? device_by_cast(nic_of(role))->ifindex : present_by_lookup(role);
}

/* A NIC that was moved to another namespace takes its hooks along; its frames belong there, and our
 * master's ifindex may be another device's. */
static __always_inline int in_own_netns(enum hl_role role, enum hl_liveness by) {
	if (by == HL_LIVENESS_CAST) return entry_by_cast(nic_of(role)) != NULL;
	return entry_by_lookup(role) != NULL;
}

/* Another place of the devmap, beside that of a role whose NIC was resolved. */
static __always_inline int port_in_own_netns(enum hl_port port, enum hl_role beside, enum hl_liveness by) {
	struct hl_nic place = {.slot = nic_of(beside)->slot + (port - beside) * sizeof(void *)};

	if (by == HL_LIVENESS_CAST) return entry_by_cast(&place) != NULL;
	return entry_by_lookup(port) != NULL;
}

/* linux/bpf.h of 6.6; the suffix is no part of either name. */
enum bpf_attach_type___kernel { BPF_TCX_EGRESS___kernel };

/* in_own_netns() of a standby that is the master: where its hooks went, the primary's ifindex is a
 * another device's. clsact does not go along, so kernels that have nothing else need not ask. */
static __always_inline int master_in_own_netns(enum hl_liveness by) {
	int hooks_move =
		bpf_core_enum_value_exists(enum bpf_attach_type___kernel, BPF_TCX_EGRESS___kernel);

	return !hooks_move || in_own_netns(HL_ROLE_STANDBY, by);
}

#endif
