/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One program for each way to learn whether a NIC is alive (enum hl_liveness): kernels without
 * bpf_rdonly_cast() refuse whatever mentions it, so the loader takes the first variant that is accepted.
 * VARIANTS("tc", __sk_buff, egress) makes hl_egress_cast, hl_egress_probe_read and hl_egress_netlink.
 */
#ifndef HL_VARIANTS_H
#define HL_VARIANTS_H

#define VARIANT(section, context, rule, name, by)                                                  \
	SEC(section) int hl_##rule##_##name(struct context *ctx) {                                 \
		return rule(ctx, by);                                                              \
	}
#define VARIANTS(section, context, rule)                                                           \
	VARIANT(section, context, rule, cast, HL_LIVENESS_CAST)                                    \
	VARIANT(section, context, rule, probe_read, HL_LIVENESS_PROBE_READ)                        \
	VARIANT(section, context, rule, netlink, HL_LIVENESS_NETLINK)

#endif
