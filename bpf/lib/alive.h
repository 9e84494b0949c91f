/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks a NIC itself whether it can send: started, present, with carrier, and still the device that
 * was resolved. Every way to lose a NIC (ndo_stop, netif_carrier_off, netif_device_detach,
 * unregister, a move to another namespace) shows here before the driver's queue stops.
 *
 * Two ways to read kernel memory, one meaning. Both survive a stale address: a faulting load
 * yields 0, which is not alive.
 */
#ifndef HL_ALIVE_H
#define HL_ALIVE_H

#include "bpf/lib/kernel.h"
#include "bpf/lib/pair.h"

#define LINK_STATE_MASK (LINK_STATE_START | LINK_STATE_PRESENT | LINK_STATE_NOCARRIER)
#define LINK_STATE_ALIVE (LINK_STATE_START | LINK_STATE_PRESENT)

/* kernel/bpf/helpers.c: gives a scalar the type of a trusted-to-be-readable kernel object. 6.2+ */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* Before namespaces are compared: a device moved away keeps its address and may keep its ifindex. */
static __always_inline int alive_by_cast(const struct hl_nic *nic) {
	const struct net_device *dev =
		bpf_rdonly_cast((void *)nic->netdev, bpf_core_type_id_kernel(struct net_device));

	return (dev->state & LINK_STATE_MASK) == LINK_STATE_ALIVE &&
	       dev->ifindex == (int)nic->ifindex && (__u64)dev->nd_net.net == nic->net;
}

#define NEAR 192 /* bytes from state; 6.1: ifindex lies within them; 6.12 and 6.18: nd_net too */

/* A call of the helper costs as much as copying hundreds of bytes: what lies near is read at once. */
static __always_inline int alive_by_probe_read(const struct hl_nic *nic) {
	const struct net_device *dev = (void *)nic->netdev;
	const __u32 state = bpf_core_field_offset(struct net_device, state);
	const __u32 ifindex = bpf_core_field_offset(struct net_device, ifindex) - state;
	const __u32 net = bpf_core_field_offset(struct net_device, nd_net) - state;
	const int net_is_near = net <= NEAR - 8; /* known at load: the other branch is cut */
	__u8 near[NEAR] __attribute__((aligned(8)));

	bpf_probe_read_kernel(near, net_is_near ? net + 8 : ifindex + 8, (void *)dev + state);
	if ((*(__u64 *)near & LINK_STATE_MASK) != LINK_STATE_ALIVE) return 0;
	if (*(__u32 *)(near + ifindex) != nic->ifindex) return 0;
	if (net_is_near) return *(__u64 *)(near + net) == nic->net;
	return (__u64)BPF_CORE_READ(dev, nd_net.net) == nic->net;
}

static __always_inline int alive(const struct hl_nic *nic, enum hl_liveness by) {
	switch (by) {
	case HL_LIVENESS_CAST: return alive_by_cast(nic);
	case HL_LIVENESS_PROBE_READ: return alive_by_probe_read(nic);
	case HL_LIVENESS_NETLINK: return 1; /* the controller vetoes instead */
	}
	return 0;
}

/* A NIC that was moved to another namespace takes its hooks along; its frames belong there, and our
 * master's ifindex may be a stranger's. Nothing resolved yet: nothing to doubt. */
static __always_inline int at_home(const struct hl_nic *nic, enum hl_liveness by) {
	const struct net_device *dev = (void *)nic->netdev;

	switch (by) {
	case HL_LIVENESS_CAST:
		dev = bpf_rdonly_cast(dev, bpf_core_type_id_kernel(struct net_device));
		return (__u64)dev->nd_net.net == nic->net;
	case HL_LIVENESS_PROBE_READ: return (__u64)BPF_CORE_READ(dev, nd_net.net) == nic->net;
	case HL_LIVENESS_NETLINK: return 1;
	}
	return 1;
}

#endif
