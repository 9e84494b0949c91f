// SPDX-License-Identifier: BSD-2-Clause
//
// Policy as stories: what was seen, when, and which bits must then stand in the veto word.
#include "loader/core/policy.hpp"
#include "maps/hitless_abi.h"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

using std::chrono::milliseconds;

constexpr Observation good{.present = true, .usable = true, .configured = true};
constexpr Observation down{.present = true, .usable = false, .configured = true};
constexpr Observation absent{};

/// A veto word under one policy. Times are milliseconds since the story began.
struct Story {
    Policy policy{.hold_down = milliseconds(200), .probing = {.up_delay = milliseconds(0)}};
    Trust trust;
    uint64_t veto = HL_VETO(ABSENT);
    std::optional<Instant> again;

    uint64_t at(int ms, Observation seen) {
        seen.veto = veto;
        Verdict verdict = decide(policy, trust, seen, milliseconds(ms));
        EXPECT_EQ(verdict.set & verdict.clear, 0u);
        EXPECT_EQ((verdict.set | verdict.clear) & ~policy_bits, 0u) << "a bit that is another's";
        veto = (veto | verdict.set) & ~verdict.clear;
        again = verdict.again;
        return veto;
    }
};

TEST(Policy, AFirstPrimaryIsUsedAtOnce) {
    Story story;
    EXPECT_EQ(story.at(0, absent), HL_VETO(ABSENT));
    EXPECT_EQ(story.at(5000, good), 0u);
    EXPECT_FALSE(story.again);
}

TEST(Policy, AFirstPrimaryWaitsForCarrierOnly) {
    Story story;
    EXPECT_EQ(story.at(0, down), HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(590, good), 0u);
}

TEST(Policy, ALostPrimaryMustStayGoodForTheHoldDown) {
    Story story;
    story.at(0, good);
    EXPECT_EQ(story.at(1000, down), HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(2000, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.again, Instant(milliseconds(2200)));
    EXPECT_EQ(story.at(2199, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(2200, good), 0u);
    EXPECT_FALSE(story.again);
}

TEST(Policy, ALostPrimaryIsHeldDownBeforeItIsProved) {
    Story story;
    story.at(0, good);
    story.at(1000, down);
    Observation unproven = good;
    unproven.path = PathVerdict::unproven;
    EXPECT_EQ(story.at(2000, unproven), HL_VETO(HOLD_DOWN) | HL_VETO(UNPROVEN));
    EXPECT_EQ(story.again, Instant(milliseconds(2200)));
    EXPECT_EQ(story.at(2200, unproven), HL_VETO(UNPROVEN));
    EXPECT_FALSE(story.again);
    EXPECT_EQ(story.at(2201, good), 0u);
    EXPECT_EQ(story.at(2300, unproven), HL_VETO(UNPROVEN)) << "a doubt is no loss of the link";
    EXPECT_EQ(story.at(2301, unproven), HL_VETO(UNPROVEN));
}

TEST(Policy, EveryLossStartsTheWaitAnew) {
    Story story;
    story.at(0, good);
    for (int ms = 1000; ms < 2000; ms += 100) {
        EXPECT_EQ(story.at(ms, down), HL_VETO(LINK_DOWN));
        EXPECT_EQ(story.at(ms + 50, good), HL_VETO(HOLD_DOWN));
    }
    EXPECT_EQ(story.at(2149, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(2150, good), 0u);
}

TEST(Policy, ALossThatOnlyAFrameSawCounts) {
    Story story;
    story.at(0, good);
    story.veto |= HL_VETO(DOWN_SEEN);
    EXPECT_EQ(story.at(1000, good), HL_VETO(HOLD_DOWN)) << "latched, and up again before we looked";
    story.veto |= HL_VETO(DOWN_SEEN);
    EXPECT_EQ(story.at(1100, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(1299, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(1300, good), 0u);
}

TEST(Policy, DownSeenIsKeptOnNobodysBehalf) {
    Story story;
    story.at(0, good);
    story.veto |= HL_VETO(DOWN_SEEN);
    EXPECT_EQ(story.at(10, down), HL_VETO(LINK_DOWN));
}

TEST(Policy, ADeviceGivenAgainLaterOwesNoWait) {
    Story story;
    story.at(0, good);
    EXPECT_EQ(story.at(1000, absent), HL_VETO(ABSENT));
    EXPECT_EQ(story.at(5000, good), 0u);
}

TEST(Policy, ADeviceThatComesAndGoesReturnsOnceInAHoldDown) {
    Story story;
    story.at(0, good);
    for (int ms = 10; ms < 180; ms += 20) {
        EXPECT_EQ(story.at(ms, absent), HL_VETO(ABSENT));
        EXPECT_EQ(story.at(ms + 10, good), HL_VETO(HOLD_DOWN)) << ms;
    }
    EXPECT_EQ(story.again, Instant(milliseconds(200)));
    EXPECT_EQ(story.at(200, good), 0u);
}

TEST(Policy, AnMtuThatFlapsReturnsOnceInAHoldDown) {
    Story story;
    story.at(0, good);
    Observation narrow = good;
    narrow.mtu_fits = false;
    EXPECT_EQ(story.at(50, narrow), HL_VETO(MTU));
    EXPECT_EQ(story.at(60, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(200, good), 0u);
    EXPECT_EQ(story.at(1000, narrow), HL_VETO(MTU));
    EXPECT_EQ(story.at(2000, good), 0u) << "no loss of the link: nothing to wait for";
}

TEST(Policy, WhatDoesNotFitIsNamed) {
    Observation odd = good;
    odd.configured = odd.mtu_fits = odd.mac_matches = false;
    Story story;
    EXPECT_EQ(story.at(0, odd), HL_VETO(SYNC) | HL_VETO(MTU) | HL_VETO(MAC));
    odd.usable = false;
    EXPECT_EQ(story.at(1, odd), HL_VETO(SYNC) | HL_VETO(MTU) | HL_VETO(MAC) | HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(2, absent), HL_VETO(ABSENT))
        << "nothing is said of a device that is not there";
}

TEST(Policy, OtherWritersBitsAreLeftAlone) {
    constexpr uint64_t others = HL_VETO(OPERATOR) | HL_VETO(HOST) | 1ull << 63;
    Story story;
    story.veto |= others;
    EXPECT_EQ(story.at(0, good), others);
    EXPECT_EQ(story.at(10, down), others | HL_VETO(LINK_DOWN));
}

TEST(Policy, AnOperatorMayOverruleTheHoldDown) {
    Story story;
    story.at(0, good);
    story.at(1000, down);
    EXPECT_EQ(story.at(1010, good), HL_VETO(HOLD_DOWN));
    story.veto &= ~HL_VETO(HOLD_DOWN); // `hitless switch STANDBY primary`
    EXPECT_EQ(story.at(1020, good), 0u) << "policy does not argue with the operator";
    EXPECT_EQ(story.at(1100, down), HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(1110, good), HL_VETO(HOLD_DOWN)) << "but the next loss is a new one";
}

/// The stories of bonding's updelay.
struct DelayedStory : Story {
    DelayedStory() { policy.probing.up_delay = milliseconds(20); }
};

TEST(Policy, AFirstPrimaryIsUnprovenForTheUpDelay) {
    DelayedStory story;
    EXPECT_EQ(story.at(0, down), HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(500, good), HL_VETO(UNPROVEN));
    EXPECT_EQ(story.again, Instant(milliseconds(520)));
    EXPECT_EQ(story.at(519, good), HL_VETO(UNPROVEN));
    EXPECT_EQ(story.at(520, good), 0u);
}

TEST(Policy, TheLongerOfHoldDownAndUpDelayCounts) {
    DelayedStory story;
    story.policy.hold_down = milliseconds(5);
    story.at(0, good);
    story.at(20, good);
    EXPECT_EQ(story.at(100, down), HL_VETO(LINK_DOWN));
    EXPECT_EQ(story.at(200, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.again, Instant(milliseconds(220)));
    EXPECT_EQ(story.at(210, good), HL_VETO(UNPROVEN));
    EXPECT_EQ(story.at(220, good), 0u);
}

TEST(Policy, AnOperatorMayOverruleTheUpDelay) {
    DelayedStory story;
    EXPECT_EQ(story.at(0, good), HL_VETO(UNPROVEN));
    story.veto = 0;
    EXPECT_EQ(story.at(1, good), 0u);
    story.veto |= HL_VETO(DOWN_SEEN);
    EXPECT_EQ(story.at(300, good), HL_VETO(HOLD_DOWN));
}

TEST(Policy, ANewControllerHonoursTheWaitOfTheOldOne) {
    Story story;
    story.at(0, good);
    story.at(1000, down);
    EXPECT_EQ(story.at(1010, good), HL_VETO(HOLD_DOWN));
    story.trust = {};
    EXPECT_EQ(story.at(1020, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(1220, good), 0u);
}

TEST(Policy, ANewControllerLeavesAGoodPairAlone) {
    Story story;
    story.at(0, good);
    story.trust = {};
    EXPECT_EQ(story.at(1000, good), 0u);
    EXPECT_FALSE(story.again);
}

TEST(Policy, NoHoldDownMeansNoWait) {
    Story story;
    story.policy.hold_down = milliseconds(0);
    story.at(0, good);
    story.at(10, down);
    EXPECT_EQ(story.at(11, good), 0u);
    story.veto |= HL_VETO(DOWN_SEEN);
    EXPECT_EQ(story.at(12, good), 0u);
}

constexpr Observation hole{
    .present = true, .usable = true, .configured = true, .path = PathVerdict::refuted};

TEST(Policy, AHoleMustStayProvedForLongerEachTime) {
    Story story;
    story.at(0, good);
    int ms = 1000;
    for (int wait : {200, 400, 800, 1600}) {
        EXPECT_EQ(story.at(ms, hole), HL_VETO(BLACK_HOLE));
        EXPECT_EQ(story.at(ms + 10, good), HL_VETO(HOLD_DOWN));
        EXPECT_EQ(story.at(ms + 10 + wait - 1, good), HL_VETO(HOLD_DOWN)) << wait;
        EXPECT_EQ(story.at(ms + 10 + wait, good), 0u) << wait;
        ms += wait + 1000;
    }
}

TEST(Policy, AGapInTheProofStartsTheWaitAnew) {
    Story story;
    story.at(0, good);
    story.at(1000, hole);
    story.at(1010, good);
    Observation doubted = good;
    doubted.path = PathVerdict::unproven;
    EXPECT_EQ(story.at(1100, doubted), HL_VETO(UNPROVEN));
    EXPECT_EQ(story.at(1150, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(1349, good), HL_VETO(HOLD_DOWN));
    EXPECT_EQ(story.at(1350, good), 0u) << "and that was one relapse, not two";
}

TEST(Policy, PeaceForgivesRelapses) {
    Story story;
    story.at(0, good);
    for (int ms : {1000, 2000, 100'000}) {
        EXPECT_EQ(story.at(ms, hole), HL_VETO(BLACK_HOLE));
        story.at(ms + 10, good);
        story.at(ms + 900, good);
        EXPECT_EQ(story.veto, 0u);
    }
    EXPECT_EQ(story.trust.relapses, 1u);
}

TEST(Policy, TheWaitIsBounded) {
    Policy policy{.hold_down = milliseconds(200)};
    EXPECT_EQ(restore_wait(policy, 1), Instant(milliseconds(200)));
    EXPECT_EQ(restore_wait(policy, 1000), Instant(std::chrono::minutes(1)));
    policy.hold_down = std::chrono::hours(1);
    EXPECT_EQ(restore_wait(policy, 5), Instant(std::chrono::hours(1)));
}

TEST(Policy, AHoleKeepsTheNameItWasGiven) {
    Story story;
    story.at(0, good);
    Observation hung = hole;
    hung.completes = false;
    EXPECT_EQ(story.at(10, hung), HL_VETO(TX_HANG));
    EXPECT_EQ(story.at(20, hole), HL_VETO(TX_HANG));
}

TEST(Policy, AnEmptySlotIsGone) {
    Observation ejected = good;
    ejected.answers = false;
    Story story;
    story.at(0, good);
    EXPECT_EQ(story.at(10, ejected), HL_VETO(GONE));
}

TEST(Policy, ReselectFailureKeepsTheStandbyUntilItFails) {
    Story story;
    story.policy.reselect = HL_RESELECT_FAILURE;
    EXPECT_EQ(story.at(0, good), 0u) << "the first one is taken";
    EXPECT_EQ(story.at(0, good), 0u);
    story.at(1000, down);
    story.at(1010, good);
    EXPECT_EQ(story.at(1210, good), HL_VETO(STICKY)) << "soft: used when the standby is down";
    EXPECT_EQ(story.at(99'000, good), HL_VETO(STICKY));
    story.veto = 0; // `hitless switch STANDBY primary`
    EXPECT_EQ(story.at(99'010, good), 0u);
}

TEST(Policy, ReselectBetterAsksForSpeed) {
    Story story;
    story.policy.reselect = HL_RESELECT_BETTER;
    story.at(0, good);
    story.at(0, good);
    story.at(1000, down);
    Observation slower = good;
    slower.faster = false;
    story.at(1010, slower);
    EXPECT_EQ(story.at(1210, slower), HL_VETO(STICKY));
    EXPECT_EQ(story.at(1300, good), 0u);
}

} // namespace
} // namespace hitless::test
