// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/live_namespaces.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "maps/hitless_abi.h"

#include <bpf/bpf.h>
#include <memory>
#include <namespaces.skel.h>

namespace hitless {
namespace {

struct Destroy {
    void operator()(namespaces_bpf *skeleton) const { namespaces_bpf__destroy(skeleton); }
};

bool is_gone(int program_fd, uint64_t cookie) {
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    opts.ctx_in = &cookie;
    opts.ctx_size_in = sizeof(cookie);
    return !bpf_prog_test_run_opts(program_fd, &opts) && opts.retval == HL_CENSUS_GONE;
}

} // namespace

std::set<uint64_t> gone_namespaces(const std::set<uint64_t> &cookies) {
    std::set<uint64_t> out;
    if (cookies.empty()) return out;
    LibbpfSilence silence; // a kernel that refuses is no news
    std::unique_ptr<namespaces_bpf, Destroy> skeleton(namespaces_bpf__open_and_load());
    if (!skeleton) return out;
    int program = bpf_program__fd(skeleton->progs.hl_census);
    for (uint64_t cookie : cookies)
        if (is_gone(program, cookie)) out.insert(cookie);
    return out;
}

} // namespace hitless
