// SPDX-License-Identifier: BSD-2-Clause
//
// What the kernel calls tcx (6.6) and netkit (6.7): numbers and arguments of bpf(2) that Debian
// 12's headers and libbpf 1.1 do not have. include/uapi/linux/bpf.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hitless::tcx {

constexpr uint32_t attach_ingress = 46;
constexpr uint32_t attach_egress = 47;
constexpr uint32_t attach_netkit_peer = 55;
constexpr uint32_t flag_before = 1u << 3; ///< with nothing to be relative to: first
constexpr uint32_t flag_after = 1u << 4;  ///< likewise: last
constexpr size_t most_programs = 64;      ///< BPF_MPROG_MAX of include/linux/bpf_mprog.h

struct LinkCreate {
    uint32_t prog_fd;
    uint32_t target_ifindex;
    uint32_t attach_type;
    uint32_t flags;
    uint32_t relative_fd;
    uint32_t reserved;
    uint64_t expected_revision;
};

struct Query {
    uint32_t target_ifindex;
    uint32_t attach_type;
    uint32_t query_flags;
    uint32_t attach_flags;
    uint64_t program_ids;
    uint32_t count;
    uint32_t reserved;
    uint64_t program_attach_flags, link_ids, link_attach_flags, revision;
};

} // namespace hitless::tcx
