/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's structures, only the fields we read; CO-RE finds their real offsets at load. */
#ifndef HL_KERNEL_H
#define HL_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node;

struct hlist_head {
	struct hlist_node *first;
};

struct net_device {
	unsigned long state;
	int ifindex;
};

struct netdev_queue {
	struct net_device *dev;
};

struct Qdisc {
	struct netdev_queue *dev_queue;
};

/* kernel/bpf/devmap.c */
struct bpf_dtab_netdev {
	struct net_device *dev;
};

struct bpf_dtab {
	struct bpf_dtab_netdev **netdev_map;
};

struct list_head {
	struct list_head *next;
};

struct net {
	struct list_head list; /* of all namespaces */
	unsigned long long net_cookie;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

#pragma clang attribute pop

/* enum netdev_state_t in include/linux/netdevice.h; the first three since 2.6.24. */
#define LINK_STATE_START (1ul << 0)
#define LINK_STATE_PRESENT (1ul << 1)
#define LINK_STATE_NOCARRIER (1ul << 2)
#define LINK_STATE_MASK (LINK_STATE_START | LINK_STATE_PRESENT | LINK_STATE_NOCARRIER)
#define LINK_STATE_ALIVE (LINK_STATE_START | LINK_STATE_PRESENT)

static __attribute__((always_inline)) inline int can_send(unsigned long state) {
	return (state & LINK_STATE_MASK) == LINK_STATE_ALIVE;
}

#endif
