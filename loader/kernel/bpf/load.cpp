// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/load.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/bpf/capability.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "loader/kernel/bpf/programs.hpp"
#include "loader/kernel/bpf/xdp_object.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <linux/capability.h>
#include <memory>
#include <sys/random.h>
#include <tc.skel.h>
#include <vector>

namespace hitless {
namespace {

// Longer than the slower NIC's queue under load, shorter than any protocol's retransmission.
constexpr uint64_t twin_window_ns = 50'000'000;

struct DestroySkeleton {
    void operator()(tc_bpf *skeleton) const { tc_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<tc_bpf, DestroySkeleton>;

void share_maps(tc_bpf &skeleton, const Objects &former) {
    share_map(skeleton.maps.nics, former.nics);
    share_map(skeleton.maps.counters, former.counters);
    share_map(skeleton.maps.bell, former.bell);
    share_map(skeleton.maps.twins, former.twins);
    share_map(skeleton.maps.rodata_knobs, former.knobs);
}

/// Opened and configured for one variant; the programs of others are left out.
Skeleton prepare(const LoadOptions &options, hl_liveness liveness) {
    Skeleton skeleton(tc_bpf__open());
    if (!skeleton) throw Error(errno, "open the built-in BPF object");
    hl_knobs &knobs = skeleton->rodata_knobs->knobs;
    knobs.master = options.master;
    knobs.inner = options.inner;
    knobs.twin_window_ns = twin_window_ns;
    if (getrandom(&knobs.seed, sizeof(knobs.seed), 0) != sizeof(knobs.seed))
        throw Error(errno, "draw a random seed");
    const ModelRow &model = model_row(options.model, options.datapath);
    bool same_netns = model.nics == PairNetns::guest;
    knobs.entrance = same_netns ? options.master : options.inner;
    knobs.entrance_flags = same_netns ? BPF_F_INGRESS : 0;
    select_nothing(skeleton->obj);
    bpf_program__set_autoload(skeleton->progs.hl_resolve, true);
    bpf_program__set_autoload(skeleton->progs.hl_ring, true);
    if (options.datapath == HL_DATAPATH_TC) select_programs(skeleton->obj, model, liveness);
    if (options.former) share_maps(*skeleton, *options.former);
    return skeleton;
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
    const ModelRow &model = model_row(options.model, options.datapath);
    if (options.former && options.former->ports) out.ports = duplicate(options.former->ports.get());
    if (options.datapath == HL_DATAPATH_XDP) return load_forwarding_programs(out, model, liveness);
    keep_programs(out, skeleton.obj, model, liveness);
    return 0;
}

[[noreturn]] void load_failed(int error) {
    // Without CAP_PERFMON the verifier knows no helper that reads kernel memory: EINVAL, not EPERM.
    bool allowed =
        has_capability(CAP_BPF) && has_capability(CAP_NET_ADMIN) && has_capability(CAP_PERFMON);
    if (error == EPERM || !allowed)
        throw Error(EPERM, "load the BPF programs",
                    "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    std::string_view shortage = way_out_of_shortage(error);
    throw Error(error, "load the BPF programs",
                shortage.empty() ? "`hitless doctor` says what this kernel lacks" : shortage);
}

/// libbpf tries what the kernel has, and takes a shortage that it meets there for a lack.
int shortage_behind(int error) {
    if (!is_lack(error)) return error;
    Fd plain(bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, sizeof(int), sizeof(int), 1, nullptr));
    return plain || way_out_of_shortage(errno).empty() ? error : errno;
}

} // namespace

void check_room_beside(const Objects &pair) {
    constexpr int wanted = 64;
    std::vector<Fd> room;
    for (int i = 0; i < wanted; i++)
        room.push_back(duplicate(pair.pair.get()));
}

Loaded load_objects(const LoadOptions &options) {
    LibbpfSilence silence; // what fails comes back as an Error
    int error = 0;
    for (hl_liveness variant : {HL_LIVENESS_CAST, HL_LIVENESS_PROBE_READ, HL_LIVENESS_NETLINK}) {
        if (options.liveness && *options.liveness != variant) continue;
        Skeleton skeleton = prepare(options, variant);
        Loaded loaded{{}, variant};
        error = -tc_bpf__load(skeleton.get());
        if (!error) error = take(loaded.objects, *skeleton, options, variant);
        if (!error) {
            hold_maps(loaded.objects);
            return loaded;
        }
        error = shortage_behind(error);
        if (!is_lack(error)) break;
    }
    load_failed(error);
}

} // namespace hitless
