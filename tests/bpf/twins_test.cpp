// SPDX-License-Identifier: BSD-2-Clause
//
// Multicast and broadcast: delivered exactly once, and never dropped when only one NIC got them.
#include "tests/bpf/datapath.hpp"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <thread>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;

/// Copies of one content in their order of arrival, and what becomes of each ('+' delivered).
struct Case {
    const char *rule;
    const char *arrive; // P and S
    const char *expect; // + and -
};

const Case cases[] = {
    {"PrimaryFirst", "PS", "+-"},
    {"StandbyFirst", "SP", "+-"},
    {"OnPrimaryOnly", "PPPP", "++++"},
    {"OnStandbyOnly", "SSSS", "++++"},
    {"NthPairsWithNth", "PPPSSS", "+++---"},
    {"Interleaved", "PSPSSP", "+-+-+-"},
    {"OneMoreOnTheSlowerSide", "PPSSS", "++--+"},
    {"TakingTurns", "PSSPPS", "+-+-+-"},
    {"LeadChangesSides", "PSSSPPP", "+-++--+"},
};

class TwinsTest : public ::testing::TestWithParam<std::tuple<Case, Mac>> {};

TEST_P(TwinsTest, Deliver) {
    const auto &[c, to] = GetParam();
    Pair pair{untouched()};
    std::string got;

    for (const char *nic = c.arrive; *nic; nic++)
        got += pair.delivered(*nic == 'P' ? P : S, frame(to, peer_mac)) ? '+' : '-';
    EXPECT_EQ(got, c.expect) << c.arrive;
    EXPECT_EQ(pair.dp.counted(HL_COUNT_DROP_TWIN),
              static_cast<uint64_t>(std::count(got.begin(), got.end(), '-')));
}

INSTANTIATE_TEST_SUITE_P(Orders, TwinsTest,
                         ::testing::Combine(::testing::ValuesIn(cases),
                                            ::testing::Values(broadcast_mac, multicast_mac)),
                         [](const auto &test) {
                             return std::string(std::get<0>(test.param).rule) +
                                    (std::get<1>(test.param) == broadcast_mac ? "Broadcast"
                                                                              : "Multicast");
                         });

class TwinsHashTest : public ::testing::TestWithParam<size_t> {};

TEST_P(TwinsHashTest, CoversEveryByte) {
    Pair pair{untouched()};
    Frame bytes = frame(broadcast_mac, peer_mac, GetParam());
    ASSERT_TRUE(pair.delivered(P, bytes));
    size_t from = 6; // the destination says what kind of frame this is
    for (size_t at = from; at<bytes.size(); at += bytes.size()> 200 ? 13 : 1) {
        Frame other = bytes;
        other[at] ^= 1;
        EXPECT_TRUE(pair.delivered(S, other)) << "byte " << at;
    }
    bytes.back() ^= 0x80;
    EXPECT_TRUE(pair.delivered(S, bytes)) << "last byte";
    bytes.back() ^= 0x80;
    EXPECT_FALSE(pair.delivered(S, bytes));
}

INSTANTIATE_TEST_SUITE_P(Sizes, TwinsHashTest,
                         ::testing::Values(14, 15, 60, 63, 64, 65, 127, 128, 129, 1499, 1500, 1514),
                         ::testing::PrintToStringParamName());

TEST(Twins, FramesOfDifferentLengthAreNoTwins) {
    Pair pair{untouched()};
    Frame bytes = frame(broadcast_mac, peer_mac, 60);
    EXPECT_TRUE(pair.delivered(P, bytes));
    bytes.push_back(0); // the hash pads with zeros
    EXPECT_TRUE(pair.delivered(S, bytes));
}

TEST(Twins, DifferentVlansAreNoTwins) {
    Pair pair{untouched()};
    EXPECT_TRUE(pair.delivered(P, tagged(broadcast_mac, peer_mac, {7})));
    EXPECT_TRUE(pair.delivered(S, tagged(broadcast_mac, peer_mac, {8})));
    EXPECT_TRUE(pair.delivered(S, frame(broadcast_mac, peer_mac)));
    EXPECT_FALSE(pair.delivered(S, tagged(broadcast_mac, peer_mac, {7})));
}

/// The hash must not be steerable: a difference in one word that a chosen difference in the next
/// one takes back would make every such pair of frames twins, whatever the seed.
TEST(Twins, AChosenDifferenceDoesNotCancelItself) {
    Pair pair{untouched()};
    Frame one = frame(broadcast_mac, peer_mac);
    Frame two = one;
    two[23] ^= 0x80; // bit 63 of the third word; the multiplier is odd, so it stays bit 63 alone,
    two[31] ^= 0x80; // and one shift-xor by 28 copies it to bit 35: both undone
    two[28] ^= 0x08;
    EXPECT_TRUE(pair.delivered(P, one));
    EXPECT_TRUE(pair.delivered(S, two)) << "a different frame was taken for a twin";
}

TEST(Twins, AFrameIsForgottenAfterTheWindow) {
    Pair pair(untouched(), 5 * ms);
    EXPECT_TRUE(pair.delivered(P, frame(broadcast_mac, peer_mac)));
    std::this_thread::sleep_for(std::chrono::milliseconds(11)); // time is what is tested
    EXPECT_TRUE(pair.delivered(S, frame(broadcast_mac, peer_mac)));
}

/// A content that repeats faster than the window must not carry an old surplus along: the copy that
/// the standby missed long ago is no twin of the one that the primary misses now.
TEST(Twins, AnUnpairedCopyIsForgottenWhileItsContentGoesOn) {
    using clock = std::chrono::steady_clock;
    constexpr std::chrono::nanoseconds window{20 * ms};
    for (int attempt = 0; attempt < 200; attempt++) {
        Pair pair(untouched(), window.count());
        Frame bytes = frame(broadcast_mac, peer_mac);
        bool delivered = pair.delivered(P, bytes);
        auto last = clock::now();
        bool waited = false; // for a CPU, as long as copies are remembered: it proves nothing
        for (auto end = last + 5 * window / 2; !waited && clock::now() < end;) {
            delivered &= pair.delivered(P, bytes);
            pair.delivered(S, bytes);
            waited = clock::now() - last > window / 2;
            last = clock::now();
        }
        const bool forgotten = pair.delivered(S, bytes);
        if (waited || clock::now() - last > window / 2) continue;
        EXPECT_TRUE(delivered);
        EXPECT_TRUE(forgotten);
        return;
    }
    FAIL() << "it never ran without waiting for a CPU";
}

TEST(Twins, AFloodOnOneSideLosesNothing) {
    const hl_counter delivered_as[] = {HL_COUNT_RX_PRIMARY, HL_COUNT_RX_STANDBY};
    constexpr uint32_t flood = 70'000; // more than 16 bits of lead
    Frame bytes = frame(broadcast_mac, peer_mac);

    for (hl_role nic : {P, S}) {
        Pair pair{untouched()};
        const auto &programs = pair.dp.skel().progs;
        pair.dp.run(nic == P ? pair.dp.ingress_primary() : programs.hl_ingress_standby, bytes,
                    pair.bed.primary, flood);
        EXPECT_EQ(pair.dp.counted(delivered_as[nic]), flood);
        EXPECT_EQ(pair.dp.counted(HL_COUNT_DROP_TWIN), 0U);
    }
}

TEST(Twins, AFloodThatChangesSidesIsBelievedAfterTwoWindows) {
    constexpr uint64_t window = 20 * ms;
    Pair pair(untouched(), window);
    Frame bytes = frame(broadcast_mac, peer_mac);
    pair.dp.run(pair.dp.ingress_primary(), bytes, pair.bed.primary, 1000);
    std::this_thread::sleep_for(std::chrono::nanoseconds(2 * window)); // time is what is tested
    for (int i = 0; i < 10; i++)
        EXPECT_TRUE(pair.delivered(S, bytes));
}

TEST(Twins, FarMoreContentsThanTheTableHoldsLoseNothing) {
    Pair pair{untouched()};
    for (uint64_t i = 0; i < 5000; i++)
        ASSERT_TRUE(pair.delivered(P, frame(broadcast_mac, peer_mac, 64, i)));
    EXPECT_EQ(pair.dp.counters(), "rx_primary=5000");
}

} // namespace
} // namespace hitless::test
