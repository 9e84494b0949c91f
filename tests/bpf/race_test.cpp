// SPDX-License-Identifier: BSD-2-Clause
//
// What two CPUs do to the same word at the same moment.
#include "tests/bpf/cpus.hpp"
#include "tests/bpf/datapath.hpp"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

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
                    pair.lab.primary, copies);
    });
    EXPECT_EQ(pair.dp.counted(HL_COUNT_DROP_TWIN), copies) << pair.dp.counters();
}

} // namespace
} // namespace hitless::test
