// SPDX-License-Identifier: BSD-2-Clause
//
// hitless-bench-router drop|route DEVICE       an XDP program on a device until SIGTERM
// hitless-bench-router blast DEVICE FROM TO     64-byte UDP frames from one MAC to another, from
//                                               10.77.0.1 to 10.78.0.1, as fast as one CPU sends
//                                               them
//
// xdp-tools' own programs do the same, but want tracepoints that not every kernel has.
#include "loader/core/error.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <csignal>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <memory>
#include <net/if.h>
#include <router.skel.h>
#include <string>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>
#include <unistd.h>
#include <vector>

namespace hitless::test {
namespace {

using Skeleton = std::unique_ptr<router_bpf, void (*)(router_bpf *)>;

using Frame = std::vector<uint8_t>;

Skeleton load(int ifindex, const Frame &frame = {}) {
    Skeleton skeleton(router_bpf::open(), router_bpf::destroy);
    if (skeleton) {
        skeleton->rodata->way_out = static_cast<uint32_t>(ifindex);
        std::ranges::copy(frame, reinterpret_cast<uint8_t *>(skeleton->rodata->frame));
    }
    if (!skeleton || router_bpf::load(skeleton.get())) throw Error(errno, "load the programs");
    return skeleton;
}

/// Until SIGTERM; the program goes with its link.
void stay(const bpf_program *program, int ifindex) {
    LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
    int link = bpf_link_create(bpf_program__fd(program), ifindex, BPF_XDP, &opts);
    if (link < 0) throw Error(-link, "attach an XDP program");
    pause();
}

Frame smallest(const std::string &from, const std::string &to) {
    Tins::EthernetII frame =
        Tins::EthernetII(to, from) / Tins::IP("10.78.0.1", "10.77.0.1") / Tins::UDP(9, 9) /
        Tins::RawPDU(std::string(64 - 14 - 20 - 8 - 4, 'x')); // 4: the checksum on the wire
    return frame.serialize();
}

void blast(const bpf_program *program, Frame bytes) {
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes.data(),
                .data_size_in = static_cast<uint32_t>(bytes.size()), .repeat = 1 << 16,
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
    while (true)
        if (int err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
            throw Error(-err, "send frames");
}

int run(int argc, char **argv) {
    const std::string verb = argc > 2 ? argv[1] : "";
    const int ifindex = argc > 2 ? static_cast<int>(if_nametoindex(argv[2])) : 0;
    if (argc > 2 && ifindex == 0) throw Error(errno, fmt::format("find {}", argv[2]));
    if (verb == "drop" && argc == 3) return stay(load(ifindex)->progs.drop, ifindex), 0;
    if (verb == "route" && argc == 3) return stay(load(ifindex)->progs.route, ifindex), 0;
    if (verb == "blast" && argc == 5) {
        const Frame frame = smallest(argv[3], argv[4]);
        return blast(load(ifindex, frame)->progs.blast, frame), 0;
    }
    fmt::print(stderr, "usage: hitless-bench-router drop|route DEVICE | blast DEVICE FROM TO\n");
    return 64;
}

} // namespace
} // namespace hitless::test

int main(int argc, char **argv) {
    try {
        return hitless::test::run(argc, argv);
    } catch (const std::exception &error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}
