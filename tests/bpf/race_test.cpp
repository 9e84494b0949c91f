// SPDX-License-Identifier: BSD-2-Clause
//
// What two CPUs do to the same word at the same moment.
#include "tests/bpf/cpus.hpp"
#include "tests/bpf/datapath.hpp"

#include "loader/core/error.hpp"

#include <bpf/libbpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <sstream>
#include <sys/socket.h>

namespace hitless::test {
namespace {

/// Frames received by a device of the calling thread's namespace.
uint64_t received_by(const std::string &ifname) {
    std::ifstream devices("/proc/thread-self/net/dev");
    for (std::string line; std::getline(devices, line);) {
        std::istringstream fields(line);
        std::string name;
        uint64_t bytes = 0, packets = 0;
        if (fields >> name >> bytes >> packets && name == ifname + ":") return packets;
    }
    throw Error(ENODEV, "count the frames of " + ifname);
}

/// Sends frames out of a device, as the guest's stack does.
class Sender {
  public:
    explicit Sender(uint32_t ifindex) : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
        to_.sll_family = AF_PACKET;
        to_.sll_ifindex = static_cast<int>(ifindex);
        if (!socket_) throw Error(errno, "open a packet socket");
    }
    bool send() const {
        return sendto(socket_.get(), bytes_.data(), bytes_.size(), 0,
                      reinterpret_cast<const sockaddr *>(&to_), sizeof(to_)) > 0;
    }

  private:
    Fd socket_;
    sockaddr_ll to_{};
    Frame bytes_ = frame(peer_mac, own_mac);
};

void attach_egress(const Pair &pair) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(pair.bed.standby),
                .attach_point = BPF_TC_EGRESS);
    const auto &progs = pair.dp.skel().progs;
    const bpf_program *program =
        pair.dp.asking() == HL_LIVENESS_CAST ? progs.hl_egress_cast : progs.hl_egress_probe_read;
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program));
    if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
        throw Error(errno, "attach the egress program");
}

TEST(Race, APrimaryFoundDeadOnTwoCpusIsOneFlip) {
    if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
    Pair pair;
    hl_pair &state = pair.dp.pair();
    int rings = 0;
    ip("link set pri down");

    int rounds = on_two_cpus(
        2000, [&](int, int) { pair.dp.egress(pair.dp.asking()); },
        [&](int round) {
            ASSERT_EQ(state.veto, HL_VETO(DOWN_SEEN));
            ASSERT_EQ(state.flips, static_cast<uint64_t>(round) + 1);
            rings += pair.dp.rings();
            state.veto = 0;
        });
    EXPECT_EQ(rings, rounds);
}

TEST(Race, TwinsThatArriveAtOnceOnTwoCpusAreDeliveredOnce) {
    if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
    Pair pair{untouched()};

    int rounds = on_two_cpus(20000, [&](int who, int round) {
        Frame bytes = frame(broadcast_mac, peer_mac, 64, static_cast<uint64_t>(round));
        pair.delivered(who ? HL_ROLE_STANDBY : HL_ROLE_PRIMARY, bytes);
    });
    EXPECT_EQ(pair.dp.counted(HL_COUNT_RX_PRIMARY) + pair.dp.counted(HL_COUNT_RX_STANDBY),
              static_cast<uint64_t>(rounds))
        << pair.dp.counters();
}

/// Every copy of one content races with the others for the same word.
TEST(Race, CopiesOfOneContentOnTwoCpusPairUp) {
    if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
    constexpr uint32_t copies = 20000;
    Pair pair{untouched()};
    const auto &programs = pair.dp.skel().progs;
    Frame bytes = frame(broadcast_mac, peer_mac);

    on_two_cpus(1, [&](int who, int) {
        pair.dp.run(who ? programs.hl_ingress_standby : pair.dp.ingress_primary(), bytes,
                    pair.bed.primary, copies);
    });
    EXPECT_EQ(pair.dp.counted(HL_COUNT_DROP_TWIN), copies) << pair.dp.counters();
}

/// The loader forgets a primary and takes it again: every frame leaves by one of the two.
TEST(Race, AFrameWhileThePrimaryIsForgottenLeavesAllTheSame) {
    if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
    constexpr int frames = 50; // a round
    Pair pair;
    attach_egress(pair);
    Sender sender(pair.bed.standby);
    auto arrived = [] { return received_by("pri_far") + received_by("sby_far"); };
    const uint64_t before = arrived();
    std::atomic<uint64_t> sent = 0;
    std::atomic<int> busy = 0;

    on_two_cpus(
        100'000,
        [&](int who, int) {
            if (who == 0) {
                for (int i = 0; i < frames; i++)
                    sent += sender.send();
                busy++;
                return;
            }
            while (busy == 0) {
                pair.dp.resolve(HL_ROLE_PRIMARY, 0);
                pair.dp.resolve(HL_ROLE_PRIMARY, pair.bed.primary);
                pair.dp.pair().veto = 0;
            }
        },
        [&](int) { busy = 0; });
    EXPECT_EQ(arrived() - before, sent) << pair.dp.counters();
    EXPECT_GT(pair.dp.counted(HL_COUNT_TX_PRIMARY), 0u);
    EXPECT_GT(pair.dp.counted(HL_COUNT_TX_STANDBY), 0u) << "never met a forgotten one";
}

} // namespace
} // namespace hitless::test
