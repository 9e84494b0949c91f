// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/xdp_object.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <xdp.skel.h>

namespace hitless {
namespace {

/// The programs of which there is one a rung.
struct Rung {
    bpf_program *outward, *inward_primary, *inward_standby;
    bpf_program *xdp_outward, *xdp_inward_primary, *xdp_inward_standby;
};

Rung rung(const xdp_bpf &skeleton, hl_liveness liveness) {
    const auto &p = skeleton.progs;
    switch (liveness) {
    case HL_LIVENESS_CAST:
        return {p.hl_outward_cast,     p.hl_inward_primary_cast,     p.hl_inward_standby_cast,
                p.hl_xdp_outward_cast, p.hl_xdp_inward_primary_cast, p.hl_xdp_inward_standby_cast};
    case HL_LIVENESS_PROBE_READ:
        return {p.hl_outward_probe_read,
                p.hl_inward_primary_probe_read,
                p.hl_inward_standby_probe_read,
                p.hl_xdp_outward_probe_read,
                p.hl_xdp_inward_primary_probe_read,
                p.hl_xdp_inward_standby_probe_read};
    default:
        return {p.hl_outward_netlink,
                p.hl_inward_primary_netlink,
                p.hl_inward_standby_netlink,
                p.hl_xdp_outward_netlink,
                p.hl_xdp_inward_primary_netlink,
                p.hl_xdp_inward_standby_netlink};
    }
}

void share(bpf_map *map, const Fd &fd) {
    if (int error = bpf_map__reuse_fd(map, fd.get())) throw Error(-error, "share a pair's map");
}

/// Nothing of it loads but what is asked for afterwards.
xdp_bpf *open_over(const Objects &maps) {
    xdp_bpf *skeleton = xdp_bpf__open();
    if (!skeleton) throw Error(errno, "open the built-in BPF object");
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(program, false);
    try {
        share(skeleton->maps.data_pair, maps.pair);
        share(skeleton->maps.rodata_knobs, maps.knobs);
        share(skeleton->maps.counters, maps.counters);
        share(skeleton->maps.bell, maps.bell);
        share(skeleton->maps.twins, maps.twins);
        if (maps.ports) share(skeleton->maps.ports, maps.ports);
    } catch (const Error &) {
        xdp_bpf__destroy(skeleton);
        throw;
    }
    return skeleton;
}

bpf_program *program_at(const xdp_bpf &skeleton, hl_hook_id place, hl_liveness liveness,
                        bool has_failover) {
    const Rung of = rung(skeleton, liveness);
    switch (place) {
    case HL_HOOK_XDP_INNER: return of.xdp_outward;
    case HL_HOOK_XDP_PRIMARY: return of.xdp_inward_primary;
    default: return has_failover ? of.xdp_inward_standby : skeleton.progs.hl_gate;
    }
}

} // namespace

int load_forwarding_programs(Objects &out, hl_liveness liveness) {
    std::unique_ptr<xdp_bpf, decltype(&xdp_bpf__destroy)> skeleton(open_over(out),
                                                                   xdp_bpf__destroy);
    const Rung of = rung(*skeleton, liveness);
    for (bpf_program *program : {of.outward, of.inward_primary, of.inward_standby})
        bpf_program__set_autoload(program, true);
    if (int error = xdp_bpf__load(skeleton.get())) return -error;
    out.egress = duplicate(bpf_program__fd(of.outward));
    out.ingress_primary = duplicate(bpf_program__fd(of.inward_primary));
    out.ingress_standby = duplicate(bpf_program__fd(of.inward_standby));
    out.ports = duplicate(bpf_map__fd(skeleton->maps.ports));
    return 0;
}

int try_freplace() {
    LibbpfSilence silence; // what is refused comes back as errno
    using Owner = std::unique_ptr<xdp_bpf, decltype(&xdp_bpf__destroy)>;
    auto open_gate = [] {
        Owner skeleton(xdp_bpf__open(), xdp_bpf__destroy);
        if (!skeleton) throw Error(errno, "open the built-in BPF object");
        bpf_program *program = nullptr;
        bpf_object__for_each_program(program, skeleton->obj)
            bpf_program__set_autoload(program, program == skeleton->progs.hl_gate);
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

XdpObject::XdpObject(const Objects &maps, hl_hook_id place, hl_liveness liveness)
    : maps_(maps), skeleton_(open_over(maps)),
      program_(program_at(*static_cast<xdp_bpf *>(skeleton_.get()), place, liveness,
                          static_cast<bool>(maps.ports))) {
    bpf_program__set_autoload(program_, true);
}

bpf_object *XdpObject::object() const {
    return static_cast<xdp_bpf *>(skeleton_.get())->obj;
}

const char *XdpObject::program() const {
    return bpf_program__name(program_);
}

} // namespace hitless
