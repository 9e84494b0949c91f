/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the net_device behind an ifindex in the namespace of the task that runs this, and leaves it
 * where the datapath looks. Walks net->dev_index_head as __dev_get_by_index() in net/core/dev.c
 * does, by fault-safe reads. Runs once an attach, never a frame.
 */
#ifndef HL_RESOLVE_H
#define HL_RESOLVE_H

#include "bpf/lib/kernel.h"
#include "bpf/lib/pair.h"

#define ENOENT 2
#define EINVAL 22
#define RESOLVE_MAX_CHAIN 512

static __always_inline struct net_device *device_of(struct hlist_node *node) {
	return (void *)node - bpf_core_field_offset(struct net_device, index_hlist);
}

static __always_inline struct net_device *find_device(struct net *net, __u32 ifindex) {
	struct hlist_head *heads = BPF_CORE_READ(net, dev_index_head);
	struct hlist_node *node = NULL;

	bpf_probe_read_kernel(&node, sizeof(node), &heads[ifindex % NETDEV_HASHENTRIES]);
	for (int i = 0; i < RESOLVE_MAX_CHAIN && node; i++) {
		struct net_device *dev = device_of(node);

		if (BPF_CORE_READ(dev, ifindex) == (int)ifindex) return dev;
		node = BPF_CORE_READ(node, next);
	}
	return NULL;
}

/* Address last and cleared first: a frame in between sees "none", never half a device. */
static __always_inline void store_nic(struct hl_nic *nic, __u64 netdev, __u64 net, __u32 ifindex) {
	nic->netdev = 0;
	barrier();
	nic->net = net;
	nic->ifindex = ifindex;
	barrier();
	nic->netdev = netdev;
}

static __always_inline int resolve(__u32 ifindex, struct hl_nic *nic) {
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
	struct net_device *dev = find_device(net, ifindex);

	store_nic(nic, (__u64)dev, (__u64)net, dev ? ifindex : 0);
	return dev ? 0 : -ENOENT;
}

#endif
