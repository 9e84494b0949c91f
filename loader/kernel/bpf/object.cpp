// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/object.hpp"
#include "loader/core/error.hpp"
#include "loader/core/layout.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "loader/kernel/bpf/probe.hpp"
#include "loader/kernel/bpf/xdp_object.hpp"
#include "maps/pair_view.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <memory>
#include <sys/random.h>
#include <tc.skel.h>
#include <unistd.h>

namespace hitless {
namespace {

// Longer than the slower NIC's queue under load, shorter than any protocol's retransmission.
constexpr uint64_t twin_window_ns = 50'000'000;

struct PinName {
    const char *name;
    Fd Objects::*fd;
};
constexpr PinName pin_names[] = {
    {"pair", &Objects::pair},
    {"nics", &Objects::nics},
    {"counters", &Objects::counters},
    {"bell", &Objects::bell},
    {"twins", &Objects::twins},
    {"knobs", &Objects::knobs},
    {"ports", &Objects::ports},
    {"egress", &Objects::egress},
    {"ingress_primary", &Objects::ingress_primary},
    {"ingress_standby", &Objects::ingress_standby},
    {"bounce", &Objects::bounce},
    {"resolve", &Objects::resolve},
    {"ring", &Objects::ring},
};

/// Some models lack it.
bool is_optional(const PinName &pin) {
    return pin.fd == &Objects::ports || pin.fd == &Objects::bounce;
}

struct DestroySkeleton {
    void operator()(tc_bpf *skeleton) const { tc_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<tc_bpf, DestroySkeleton>;

/// The programs of tc.bpf.c that a pair runs; null where it has none there.
struct Programs {
    bpf_program *egress = nullptr, *ingress_primary = nullptr, *ingress_standby = nullptr,
                *bounce = nullptr;
};

Programs choose(const tc_bpf &skeleton, const LoadOptions &options, hl_liveness liveness) {
    if (options.datapath == HL_DATAPATH_XDP) return {}; // of the other object
    auto find = [&](const char *name, const char *rung) {
        std::string full = fmt::format("hl_{}{}", name, rung);
        return bpf_object__find_program_by_name(skeleton.obj, full.c_str());
    };
    constexpr const char *rungs[] = {"_cast", "_probe_read", "_netlink"};
    const char *rung = rungs[liveness];
    const Layout &layout = layout_of(options.model);
    if (!layout.has_failover)
        return {find("egress", rung), find("ingress_primary", rung),
                skeleton.progs.hl_ingress_standby};
    return {find("outward", rung), find("enter_primary", rung), find("enter_standby", rung),
            layout.bounces ? skeleton.progs.hl_bounce : nullptr};
}

void load_only(const tc_bpf &skeleton, const Programs &wanted) {
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) bpf_program__set_autoload(program, false);
    for (bpf_program *one : {wanted.egress, wanted.ingress_primary, wanted.ingress_standby,
                             wanted.bounce, skeleton.progs.hl_resolve, skeleton.progs.hl_ring})
        if (one) bpf_program__set_autoload(one, true);
}

/// Opened and configured for one rung; the programs of others are left out.
Skeleton prepare(const LoadOptions &options, hl_liveness liveness) {
    Skeleton skeleton(tc_bpf__open());
    if (!skeleton) throw Error(errno, "open the built-in BPF object");
    hl_knobs &knobs = skeleton->rodata_knobs->knobs;
    knobs.master = options.master;
    knobs.inner = options.inner;
    knobs.twin_window_ns = twin_window_ns;
    if (getrandom(&knobs.seed, sizeof(knobs.seed), 0) != sizeof(knobs.seed))
        throw Error(errno, "draw a random seed");
    bool same_netns = layout_of(options.model).nics == PairNetns::guest;
    knobs.entrance = same_netns ? options.master : options.inner;
    knobs.entrance_flags = same_netns ? BPF_F_INGRESS : 0;
    load_only(*skeleton, choose(*skeleton, options, liveness));
    return skeleton;
}

/// The programs on the NICs: of this object, or of the failover device's.
int take_programs(Objects &out, tc_bpf &skeleton, const LoadOptions &options,
                  hl_liveness liveness) {
    if (options.datapath == HL_DATAPATH_XDP) return load_forward(out, liveness);
    const Programs chosen = choose(skeleton, options, liveness);
    out.egress = duplicate(bpf_program__fd(chosen.egress));
    out.ingress_primary = duplicate(bpf_program__fd(chosen.ingress_primary));
    out.ingress_standby = duplicate(bpf_program__fd(chosen.ingress_standby));
    if (chosen.bounce) out.bounce = duplicate(bpf_program__fd(chosen.bounce));
    return 0;
}

/// Every program on a device, of whichever object.
void hold_maps(const Objects &objects) {
    for (const Fd *program : {&objects.egress, &objects.ingress_primary, &objects.ingress_standby})
        hold_maps(program->get(), objects.nics);
}

/// Returns 0 or a positive errno.
int take(Objects &out, tc_bpf &skeleton, const LoadOptions &options, hl_liveness liveness) {
    out.pair = duplicate(bpf_map__fd(skeleton.maps.data_pair));
    out.nics = duplicate(bpf_map__fd(skeleton.maps.nics));
    out.counters = duplicate(bpf_map__fd(skeleton.maps.counters));
    out.bell = duplicate(bpf_map__fd(skeleton.maps.bell));
    out.twins = duplicate(bpf_map__fd(skeleton.maps.twins));
    out.knobs = duplicate(bpf_map__fd(skeleton.maps.rodata_knobs));
    out.resolve = duplicate(bpf_program__fd(skeleton.progs.hl_resolve));
    out.ring = duplicate(bpf_program__fd(skeleton.progs.hl_ring));
    return take_programs(out, skeleton, options, liveness);
}

template <typename MayLack>
Objects open_all(const std::string &dir, MayLack may_lack) {
    Objects out;
    for (const PinName &pin : pin_names) {
        try {
            out.*pin.fd = open_pin(dir, pin.name);
        } catch (const Error &error) {
            if (error.code() != ENOENT || !may_lack(pin)) throw;
        }
    }
    return out;
}

[[noreturn]] void load_failed(int error) {
    // Without CAP_PERFMON the verifier knows no helper that reads kernel memory: EINVAL, not EPERM.
    bool allowed =
        has_capability(CAP_BPF) && has_capability(CAP_NET_ADMIN) && has_capability(CAP_PERFMON);
    if (error == EPERM || !allowed)
        throw Error(EPERM, "load the BPF programs",
                    "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    throw Error(error, "load the BPF programs", "`hitless doctor` says what this kernel lacks");
}

} // namespace

Fd duplicate(int fd) {
    Fd out(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!out) throw Error(errno, "keep the BPF objects", "`ulimit -n 1024` raises the limit");
    return out;
}

void hold_maps(int program_fd, const Fd &nics) {
    if (int error = bpf_prog_bind_map(program_fd, nics.get(), nullptr))
        throw Error(-error, "bind a program to the map that it reads",
                    "the kernel must be 5.10 or later");
}

Loaded load_objects(const LoadOptions &options) {
    LibbpfSilence silence; // what fails comes back as an Error
    int error = 0;
    for (hl_liveness rung : {HL_LIVENESS_CAST, HL_LIVENESS_PROBE_READ, HL_LIVENESS_NETLINK}) {
        if (options.liveness && *options.liveness != rung) continue;
        Skeleton skeleton = prepare(options, rung);
        Loaded loaded{{}, rung};
        error = -tc_bpf__load(skeleton.get());
        if (!error) error = take(loaded.objects, *skeleton, options, rung);
        if (!error) {
            hold_maps(loaded.objects);
            return loaded;
        }
        if (!is_lack(error)) break;
    }
    load_failed(error);
}

Fd open_pin(const std::string &dir, const char *name) {
    std::string path = fmt::format("{}/{}", dir, name);
    Fd out(bpf_obj_get(path.c_str()));
    if (!out)
        throw Error(errno, fmt::format("open {}", path),
                    errno == ENOENT ? fmt::format("the pair is incomplete: `hitless detach {}` "
                                                  "removes it",
                                                  dir.substr(dir.rfind('/') + 1))
                                    : "run as root");
    return out;
}

Objects open_objects(const std::string &dir) {
    return open_all(dir, is_optional);
}

Objects open_remaining_objects(const std::string &dir) {
    return open_all(dir, [](const PinName &) { return true; });
}

void pin_objects(const Objects &objects, const std::string &dir) {
    for (const PinName &pin : pin_names) {
        if (!(objects.*pin.fd)) continue; // which some models lack
        std::string path = dir + "/" + pin.name;
        if (bpf_obj_pin((objects.*pin.fd).get(), path.c_str()) < 0)
            throw Error(errno, fmt::format("pin {}", path));
    }
}

} // namespace hitless
