// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/xdp_object.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "loader/kernel/bpf/programs.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <xdp.skel.h>

namespace hitless {
namespace {

/// Nothing of it loads but what is asked for afterwards.
xdp_bpf *open_over(const Objects &maps) {
    xdp_bpf *skeleton = xdp_bpf__open();
    if (!skeleton) throw Error(errno, "open the built-in BPF object");
    select_nothing(skeleton->obj);
    try {
        share_map(skeleton->maps.data_pair, maps.pair);
        share_map(skeleton->maps.rodata_knobs, maps.knobs);
        share_map(skeleton->maps.counters, maps.counters);
        share_map(skeleton->maps.bell, maps.bell);
        share_map(skeleton->maps.twins, maps.twins);
        if (maps.ports) share_map(skeleton->maps.ports, maps.ports);
    } catch (const Error &) {
        xdp_bpf__destroy(skeleton);
        throw;
    }
    return skeleton;
}

} // namespace

int load_forwarding_programs(Objects &out, const ModelRow &model, hl_liveness liveness) {
    std::unique_ptr<xdp_bpf, decltype(&xdp_bpf__destroy)> skeleton(open_over(out),
                                                                   xdp_bpf__destroy);
    select_programs(skeleton->obj, model, liveness);
    if (int error = xdp_bpf__load(skeleton.get())) return -error;
    keep_programs(out, skeleton->obj, model, liveness);
    out.ports = duplicate(bpf_map__fd(skeleton->maps.ports));
    return 0;
}

int try_freplace() {
    LibbpfSilence silence; // what is refused comes back as errno
    using Owner = std::unique_ptr<xdp_bpf, decltype(&xdp_bpf__destroy)>;
    auto open_gate = [] {
        Owner skeleton(xdp_bpf__open(), xdp_bpf__destroy);
        if (!skeleton) throw Error(errno, "open the built-in BPF object");
        select_nothing(skeleton->obj);
        bpf_program__set_autoload(skeleton->progs.hl_gate, true);
        return skeleton;
    };
    Owner target = open_gate(), replacement = open_gate();
    if (int error = xdp_bpf__load(target.get())) return -error;
    bpf_program *program = replacement->progs.hl_gate;
    bpf_program__set_type(program, BPF_PROG_TYPE_EXT);
    bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(0));
    bpf_program__set_flags(program, 0);
    if (int error = bpf_program__set_attach_target(program, bpf_program__fd(target->progs.hl_gate),
                                                   "hl_gate"))
        return -error;
    return -xdp_bpf__load(replacement.get());
}

void XdpObject::Destroy::operator()(void *skeleton) const {
    xdp_bpf__destroy(static_cast<xdp_bpf *>(skeleton));
}

XdpObject::XdpObject(const Objects &maps, const HookRow &row, hl_liveness liveness)
    : maps_(maps), skeleton_(open_over(maps)), program_(find_program(object(), row, liveness)) {
    bpf_program__set_autoload(program_, true);
}

bpf_object *XdpObject::object() const {
    return static_cast<xdp_bpf *>(skeleton_.get())->obj;
}

const char *XdpObject::program() const {
    return bpf_program__name(program_);
}

} // namespace hitless
