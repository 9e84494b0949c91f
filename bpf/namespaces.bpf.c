// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * BPF_PROG_RUN by the loader: does the kernel still have a network namespace of this cookie? It
 * follows the kernel's own list of them, from the caller's namespace, which cannot die meanwhile,
 * once round. A namespace that is not in it has no process, socket, mount or descriptor left,
 * whoever's, and its devices are being taken down.
 */
#include "bpf/lib/kernel.h"
#include "maps/hitless_abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MOST_NAMESPACES (1u << 20)

struct walk {
	__u64 cookie;
	const struct list_head *start, *at;
	enum hl_census verdict;
};

/* The head of the list is no namespace; what lies around it is read as one and means nothing. */
static long visit(__u32 i, struct walk *w) {
	const struct list_head *at = w->at;
	const struct net *net = (void *)at - bpf_core_field_offset(struct net, list);
	__u64 cookie;

	if (bpf_core_read(&cookie, sizeof(cookie), &net->net_cookie) ||
	    bpf_core_read(&at, sizeof(at), &at->next))
		return 1;
	w->at = at;
	if (cookie == w->cookie) {
		w->verdict = HL_CENSUS_FOUND;
		return 1;
	}
	if (at == w->start) w->verdict = HL_CENSUS_GONE;
	return at == w->start;
}

/* Of a type that runs under rcu_read_lock(), as the list wants. */
SEC("raw_tp") int hl_census(struct bpf_raw_tracepoint_args *ctx) {
	const struct task_struct *task = (void *)bpf_get_current_task();
	const struct net *own = BPF_CORE_READ(task, nsproxy, net_ns);
	struct walk w = {.cookie = ctx->args[0], .verdict = HL_CENSUS_UNKNOWN};

	if (!own) return HL_CENSUS_UNKNOWN;
	w.start = w.at = (void *)own + bpf_core_field_offset(struct net, list);
	bpf_loop(MOST_NAMESPACES, visit, &w, 0);
	return w.verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
