// SPDX-License-Identifier: BSD-2-Clause
//
// What the datapath costs a frame, in nanoseconds over an empty tc program: BPF_PROG_TEST_RUN of
// each program in turn, round after round, so that a change of clock or load meets all alike. The
// median round is shown. No redirecting program is cheaper than the bare redirect helper, so the
// figures are over that; on CPUs that need "Safe RET" (x86 SRSO) each helper call costs 10 ns more.
//
//   hitless-bench-bpf [-j] [-n REPEATS]
#include "tests/bpf/datapath.hpp"

#include "loader/core/error.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <cstdio>
#include <cstring>
#include <empty.skel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <unistd.h>

namespace hitless::test {
namespace {

constexpr int rounds = 5;
constexpr size_t empty = 0, redirect = 1; // where the two baselines stand among the subjects
constexpr uint32_t dear = 10;             // a program that hashes gets so many times fewer repeats

struct Subject {
    std::string name;
    const bpf_program *program;
    Frame bytes;
    uint32_t ifindex;
    double most_ns; // what it may cost over the bare redirect helper; 0: no figure
    uint32_t share = 1;
    bool by_standby = false; // the standby is the path
    std::vector<double> ns = {};

    double median() const {
        auto sorted = ns;
        std::sort(sorted.begin(), sorted.end());
        return sorted[sorted.size() / 2];
    }
};

/// Unicast that comes by the NIC which is not the path makes both programs hash unicast for a
/// second (bpf/lib/stray.h): one subject's frames must not be another's strays.
void choose_path(hl_pair &pair, bool by_standby) {
    pair.veto = by_standby ? HL_VETO(OPERATOR) : 0;
    pair.primary.stray = pair.standby.stray = 0;
}

void measure(Subject &s, hl_pair &pair, uint32_t repeats) {
    choose_path(pair, s.by_standby);
    const uint32_t repeat = std::max(repeats / s.share, 1U);
    __sk_buff ctx = {};
    ctx.ifindex = s.ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = s.bytes.data(),
                .data_size_in = static_cast<uint32_t>(s.bytes.size()), .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx), .repeat = 1000); // warms up

    if (int err = bpf_prog_test_run_opts(bpf_program__fd(s.program), &opts))
        throw Error(-err, "run " + s.name);
    opts.repeat = static_cast<int>(repeat);
    // Not opts.duration, which is in whole nanoseconds; CPU time, so that neighbours count less.
    timespec before = {}, after = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    if (int err = bpf_prog_test_run_opts(bpf_program__fd(s.program), &opts))
        throw Error(-err, "run " + s.name);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double spent = (after.tv_sec - before.tv_sec) * 1e9 + (after.tv_nsec - before.tv_nsec);
    s.ns.push_back(spent / repeat);
}

std::vector<Subject> subjects(const Pair &pair, const empty_bpf &parts) {
    const auto &p = pair.dp.skel().progs;
    const Frame out = frame(peer_mac, own_mac);
    const Frame uni = frame(own_mac, peer_mac);
    const uint32_t sby = pair.bed.standby, pri = pair.bed.primary;
    std::vector<Subject> all = {
        {"empty", parts.progs.empty, out, sby, 0},
        {"part: redirect helper", parts.progs.part_redirect, out, sby, 0},
        {"egress probe_read", p.hl_egress_probe_read, out, sby, 12},
        {"part: probe_read, helpers alone", parts.progs.part_three_helpers, out, sby, 0},
        {"egress netlink", p.hl_egress_netlink, out, sby, 0},
        {"part: counter", parts.progs.part_counter, out, sby, 0},
        {"part: veto", parts.progs.part_veto, out, sby, 0},
        {"part: alive, probe_read", parts.progs.part_alive_probe_read, out, sby, 0},
        {"ingress primary, unicast", pair.dp.ingress_primary(), uni, pri, 0},
        {"ingress standby, unicast", p.hl_ingress_standby, uni, sby, 0, 1, true},
        {"ingress standby, unicast flooded", p.hl_ingress_standby, uni, sby, 0, dear},
    };
    if (pair.dp.has(HL_LIVENESS_CAST)) {
        all.push_back({"egress cast", p.hl_egress_cast, out, sby, 5});
        all.push_back({"part: alive, cast", parts.progs.part_alive_cast, out, sby, 0});
    }
    const Mac nested = {0x02, 0, 0, 0, 0, 0x55}; // behind the guest
    for (size_t size : {64, 1500}) {
        Frame multi = frame(multicast_mac, peer_mac, size, size);
        all.push_back({fmt::format("egress, unicast of others {}", size), p.hl_egress_probe_read,
                       frame(peer_mac, nested, size), sby, 0});
        all.push_back({fmt::format("egress, multicast of others {}", size), p.hl_egress_probe_read,
                       frame(multicast_mac, nested, size), sby, 0, dear});
        all.push_back({fmt::format("ingress, unicast for others {}", size),
                       pair.dp.ingress_primary(), frame(nested, peer_mac, size), pri, 0, dear});
        all.push_back({fmt::format("ingress primary, multicast {}", size),
                       pair.dp.ingress_primary(), multi, pri, 0, dear});
        all.push_back({fmt::format("ingress standby, multicast {}", size), p.hl_ingress_standby,
                       multi, sby, 0, dear});
    }
    return all;
}

double over(const Subject &s, const Subject &base) {
    return s.median() - base.median();
}

void print_table(const std::vector<Subject> &all) {
    fmt::print("{:<32} {:>9} {:>11} {:>14} {:>7}\n", "program", "ns/frame", "over empty",
               "over redirect", "figure");
    for (const Subject &s : all)
        fmt::print("{:<32} {:>9.1f} {:>11.1f} {:>14} {:>7}\n", s.name, s.median(),
                   over(s, all[empty]),
                   s.most_ns ? fmt::format("{:.1f}", over(s, all[redirect])) : "",
                   s.most_ns ? fmt::format("<= {:.0f}", s.most_ns) : "");
}

void print_json(const std::vector<Subject> &all) {
    nlohmann::json out = {{"version", 1}, {"programs", nlohmann::json::array()}};
    for (const Subject &s : all)
        out["programs"].push_back({{"name", s.name},
                                   {"frame_s", s.median() * 1e-9},
                                   {"over_empty_s", over(s, all[empty]) * 1e-9},
                                   {"over_redirect_s", over(s, all[redirect]) * 1e-9},
                                   {"rounds_ns", s.ns}});
    fmt::print("{}\n", out.dump(2));
}

int run(bool json, uint32_t repeats) {
    Pair pair;
    std::unique_ptr<empty_bpf, void (*)(empty_bpf *)> parts(empty_bpf::open(), empty_bpf::destroy);
    // The parts look at the same pair and NICs; they only have counters of their own.
    if (parts)
        bpf_program__set_autoload(parts->progs.part_alive_cast, pair.dp.has(HL_LIVENESS_CAST));
    if (!parts ||
        bpf_map__reuse_fd(parts->maps.data_pair, bpf_map__fd(pair.dp.skel().maps.data_pair)) ||
        bpf_map__reuse_fd(parts->maps.nics, bpf_map__fd(pair.dp.skel().maps.nics)) ||
        empty_bpf::load(parts.get()))
        throw Error(errno, "load the parts");

    auto all = subjects(pair, *parts);
    for (int round = 0; round < rounds; round++)
        for (Subject &s : all)
            measure(s, pair.dp.pair(), repeats);
    json ? print_json(all) : print_table(all);
    return 0;
}

} // namespace
} // namespace hitless::test

int main(int argc, char **argv) {
    bool json = false;
    uint32_t repeats = 2'000'000;
    for (int option; (option = getopt(argc, argv, "jn:")) != -1;) {
        if (option == 'j') json = true;
        if (option == 'n') repeats = static_cast<uint32_t>(strtoul(optarg, nullptr, 10));
        if (option == '?') repeats = 0;
    }
    if (repeats == 0 || optind != argc) {
        fmt::print(stderr, "usage: hitless-bench-bpf [-j] [-n REPEATS]\n");
        return 64;
    }
    try {
        if (unshare(CLONE_NEWNET) < 0)
            throw hitless::Error(errno, "make a network namespace", "run as root");
        return hitless::test::run(json, repeats);
    } catch (const hitless::Error &error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}
