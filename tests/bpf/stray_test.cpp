// SPDX-License-Identifier: BSD-2-Clause
//
// Unicast that the network floods: once each, after the first; and never a frame lost for it.
#include "tests/bpf/xdp.hpp"

#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <thread>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;
constexpr Mac nested = {0x02, 0, 0, 0, 0, 0x55};

struct Setting {
    const char *name;
    bool xdp;
    hl_role path;
};
const Setting settings[] = {{"TcOnPrimary", false, P},
                            {"TcOnStandby", false, S},
                            {"XdpOnPrimary", true, P},
                            {"XdpOnStandby", true, S}};

class StrayTest : public ::testing::TestWithParam<Setting> {
  protected:
    StrayTest() { forward.pair.dp.pair().veto = path == P ? 0 : HL_VETO(OPERATOR); }
    int delivered(hl_role nic, const Mac &to, uint64_t content) const {
        const Frame bytes = frame(to, peer_mac, 64, content);
        return GetParam().xdp ? forward.in(nic, bytes) == XDP_REDIRECT
                              : forward.pair.delivered(nic, bytes);
    }
    uint64_t twins() const { return forward.pair.dp.counted(HL_COUNT_DROP_TWIN); }

    const hl_role path = GetParam().path, off = path == P ? S : P;
    Forward forward;
};

TEST_P(StrayTest, FloodedUnicastToUsIsDeliveredOnceButForTheFirst) {
    int got = 0;
    for (uint64_t i = 0; i < 100; i++)
        got += delivered(path, own_mac, i) + delivered(off, own_mac, i);
    EXPECT_EQ(got, 101);
    EXPECT_EQ(twins(), 99U);
}

TEST_P(StrayTest, NotEvenTheFirstIsTwiceWhereTheStrayComesFirst) {
    int got = 0;
    for (uint64_t i = 0; i < 100; i++)
        got += delivered(off, own_mac, i) + delivered(path, own_mac, i);
    EXPECT_EQ(got, 100);
}

TEST_P(StrayTest, FloodedUnicastToOthersIsDeliveredOnce) {
    int got = 0;
    for (uint64_t i = 0; i < 100; i++)
        got += delivered(path, nested, i) + delivered(off, nested, i);
    EXPECT_EQ(got, 100);
    EXPECT_EQ(twins(), 100U);
}

TEST_P(StrayTest, UnicastOnThePathLeavesNoTraceAndAStrayIsNoted) {
    hl_pair &pair = forward.pair.dp.pair();
    delivered(path, own_mac, 1);
    EXPECT_EQ(pair.primary.stray | pair.standby.stray, 0U);
    delivered(off, own_mac, 2);
    EXPECT_NE((off == P ? pair.primary : pair.standby).stray, 0U);
}

/// While two versions' programs share a pair, neither sees the other's strays.
TEST_P(StrayTest, StraysThatAreAssumedAreLastingly) {
    hl_pair &pair = forward.pair.dp.pair();
    pair.primary.stray = pair.standby.stray = HL_STRAY_ASSUMED;
    int got = 0;
    for (uint64_t i = 0; i < 100; i++)
        got += delivered(path, own_mac, i) + delivered(off, own_mac, i);
    EXPECT_EQ(got, 100);
    EXPECT_EQ(pair.primary.stray, HL_STRAY_ASSUMED);
    EXPECT_EQ(pair.standby.stray, HL_STRAY_ASSUMED);
}

/// A sender whose frames are all alike, and a network that leads them to the other NIC of itself.
TEST_P(StrayTest, FramesAlikeThatMoveToTheOtherNicAreAllDelivered) {
    for (const Mac &to : {own_mac, nested})
        for (hl_role nic : {off, off, off, path, path, path, off, off})
            EXPECT_TRUE(delivered(nic, to, 1));
    EXPECT_EQ(twins(), 0U);
}

/// After a flip the network hands frames over from one NIC to the other: frames that are alike are
/// not copies then.
TEST_P(StrayTest, FramesAlikeAcrossAFlipAreAllDelivered) {
    hl_pair &pair = forward.pair.dp.pair();
    timespec now = {};
    clock_gettime(CLOCK_BOOTTIME, &now);
    pair.flips = 1;
    pair.flip[0].time_ns = uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
    for (const Mac &to : {own_mac, nested}) {
        for (hl_role nic : {off, off, off, path, path, path})
            EXPECT_TRUE(delivered(nic, to, 1));
    }
    EXPECT_EQ(twins(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Paths, StrayTest, ::testing::ValuesIn(settings),
                         [](const auto &test) { return test.param.name; });

TEST(Stray, TheDoubtEndsWithTheStrays) {
    Pair pair(untouched(), 1 * ms);
    EXPECT_TRUE(pair.delivered(S, frame(own_mac, peer_mac)));
    ASSERT_NE(pair.dp.pair().standby.stray, 0U);
    std::this_thread::sleep_for(std::chrono::milliseconds(25)); // time is what is tested
    EXPECT_TRUE(pair.delivered(P, frame(own_mac, peer_mac)));
    EXPECT_EQ(pair.dp.pair().standby.stray, 0U);
}

} // namespace
} // namespace hitless::test
