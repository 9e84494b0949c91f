// SPDX-License-Identifier: BSD-2-Clause
//
// The prover against a modelled network: two paths that drop what they are told to, a neighbour
// that may die, a guest that sends or listens, a policy that obeys.
#include "loader/core/policy.hpp"

#include <deque>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>

namespace hitless::test {
namespace {

constexpr Instant ms = milliseconds(1);

struct Net {
    Policy policy{.probing = {}};
    Prover prover;
    Trust trust;
    uint64_t veto = HL_VETO(ABSENT);
    Instant now{0};
    bool out = true, in = true; ///< what the primary carries
    bool neighbour = true, known = true, usable = true, sending = true;
    bool full = false;          ///< the primary's queue takes no question
    bool completes = true;      ///< the primary goes on sending what is in it
    bool unresolved = false;    ///< the guest itself looks for the neighbour
    unsigned haste = 50;        ///< percent of answers that a sending guest's frames overtake
    unsigned loss = 0;          ///< percent, on the primary, each way
    unsigned ways = 1, way = 0; ///< of asking the neighbour; it answers the last alone
    unsigned inflow = 0;        ///< frames a second that come in by the primary while it is in use
    unsigned jitter = 0;        ///< of those, in tenths of a millisecond
    unsigned starved = 0;       ///< we run this many milliseconds late, at most
    uint64_t sent = 0, received = 0;
    unsigned asked_primary = 0, asked_standby = 0, flips = 0, steps = 0;
    std::mt19937 random{7};

    bool lost() { return random() % 100 < loss; }

    void ask(Side by) {
        bool primary = by == Side::primary;
        (primary ? asked_primary : asked_standby)++;
        bool there = neighbour && way == ways - 1 && (!primary || (out && !lost()));
        // The answer goes where the guest's frames were last seen: a busy guest may be quicker.
        bool overtaken = sending && random() % 100 < haste && (veto || out);
        bool home_by_primary = overtaken ? !veto : primary;
        bool back = there && (!home_by_primary || (in && !lost()));
        if (back && home_by_primary) received++;
        if (back) answers.push_back({by, now, now + ms / 10});
    }

    void decide_now() {
        Observation seen{.present = true, .usable = usable, .configured = true};
        seen.path = prover.verdict();
        seen.completes = completes;
        seen.veto = veto;
        Verdict verdict = decide(policy, trust, seen, now);
        uint64_t before = veto;
        veto = (veto | verdict.set) & ~verdict.clear;
        flips += !before != !veto;
        policy_again = verdict.again;
        if (veto != before) again = now; // the bell
    }

    void step() {
        steps++;
        for (; !answers.empty() && answers.front().due <= now; answers.pop_front())
            prover.answered(answers.front().by, answers.front().asked, now);
        Prover::Actions actions = prover.step(policy.probing,
                                              {.usable = usable,
                                               .ways = known ? ways : 0,
                                               .veto = veto,
                                               .sent = sent,
                                               .received = received,
                                               .unresolved = unresolved,
                                               .completes = completes},
                                              now);
        if (actions.next_target) way = (way + 1) % ways;
        if (actions.ask_primary && full) prover.not_sent(Side::primary);
        if (actions.ask_primary && !full) ask(Side::primary);
        if (actions.ask_standby) ask(Side::standby);
        again = actions.again;
        woken = actions.wake_on_frame;
        decide_now();
    }

    void receive_inflow() {
        if (!inflow || now < next_in) return;
        received += !veto && in;
        slot += std::chrono::nanoseconds(std::chrono::seconds(1)) / inflow;
        slot = std::max(slot, now);
        next_in = slot + (jitter ? random() % jitter : 0) * ms / 10;
    }

    /// Lives on, a tenth of a millisecond at a time.
    void live(Instant time) {
        for (Instant end = now + time; now < end; now += ms / 10) {
            bool by_primary = sending && !veto;
            sent += by_primary;
            received += sending && !veto && out && in && now.count() % 3 == 0;
            receive_inflow();
            bool due = (again && *again <= now) || (policy_again && *policy_again <= now) ||
                       (!answers.empty() && answers.front().due <= now) || (woken && by_primary);
            if (!due && !(veto & HL_VETO(ABSENT))) continue;
            if (!runs_at) runs_at = now + (starved ? random() % starved : 0) * ms;
            if (now < *runs_at) continue;
            runs_at.reset();
            step();
        }
    }

    /// Until the word is (not) zero; how long it took.
    Instant until(bool in_use, Instant patience = std::chrono::seconds(20)) {
        Instant from = now;
        while (!veto != in_use && now < from + patience)
            live(ms / 10);
        return now - from;
    }

    struct Answer {
        Side by;
        Instant asked, due;
    };
    std::deque<Answer> answers;
    std::optional<Instant> again, policy_again, runs_at;
    Instant slot{0}, next_in{0};
    bool woken = false;
};

Net in_use(bool sending = true) {
    Net net;
    net.sending = sending;
    net.live(500 * ms);
    EXPECT_EQ(net.veto, 0u);
    return net;
}

TEST(Prover, AFirstPrimaryIsUsedOnceItIsAnswered) {
    Net net;
    net.live(19 * ms);
    EXPECT_EQ(net.veto, HL_VETO(UNPROVEN));
    EXPECT_EQ(net.asked_primary, 0u) << "it would draw frames to a port that is not ready";
    EXPECT_LT(net.until(true), 80 * ms);
}

TEST(Prover, AVeryBusyGuestGetsItsPrimaryWithoutSeeingItsAnswers) {
    Net net;
    net.haste = 100;
    EXPECT_LT(net.until(true), 1100 * ms);
}

TEST(Prover, WhereNobodyCanBeAskedTheTimerDecides) {
    for (bool known : {false, true}) {
        Net net;
        net.known = known;
        net.neighbour = net.sending = false;
        net.live(219 * ms);
        EXPECT_EQ(net.veto, HL_VETO(UNPROVEN));
        EXPECT_LT(net.until(true), 40 * ms);
    }
}

TEST(Prover, APathThatIsNotReadyIsNotUsed) {
    Net net;
    net.out = net.in = false;
    net.live(5000 * ms);
    EXPECT_EQ(net.veto, HL_VETO(UNPROVEN));
    net.out = net.in = true;
    EXPECT_LT(net.until(true), 1000 * ms);
    EXPECT_EQ(net.flips, 1u);
}

/// A machine without a CPU to spare: time passes in which nothing was asked or heard.
TEST(Prover, LateStepsAreNoSilence) {
    for (unsigned starved : {10u, 50u, 250u, 500u})
        for (unsigned seed = 0; seed < 50; seed++) {
            Net net;
            net.random.seed(seed);
            net.starved = starved;
            net.out = net.in = false;
            net.live(10'000 * ms);
            EXPECT_EQ(net.flips, 0u) << "a hole was used; " << starved << ", seed " << seed;
            net.out = net.in = true;
            EXPECT_LT(net.until(true), 10'000 * ms) << starved << ", seed " << seed;
            net.usable = false;
            net.step();
            net.live(300 * ms);
            const unsigned flips = net.flips;
            net.usable = true;
            net.out = net.in = false;
            net.step();
            net.live(5000 * ms);
            EXPECT_EQ(net.flips, flips) << "a return; " << starved << ", seed " << seed;
        }
}

struct Hole {
    bool out, in, sending;
    int most_ms;
};

class ProverHole : public testing::TestWithParam<Hole> {};

TEST_P(ProverHole, IsLeftAndNamed) {
    for (int phase = 0; phase < 20; phase++) {
        Net net = in_use(GetParam().sending);
        net.live(phase * ms);
        net.out = GetParam().out;
        net.in = GetParam().in;
        Instant took = net.until(false);
        EXPECT_LE(took, GetParam().most_ms * ms) << phase;
        net.live(20 * ms);
        EXPECT_EQ(net.veto, HL_VETO(BLACK_HOLE)) << phase;
        net.live(3000 * ms);
        EXPECT_EQ(net.veto, HL_VETO(BLACK_HOLE)) << "a hole is no place to return to";
        net.out = net.in = true;
        EXPECT_LT(net.until(true), 3000 * ms) << phase;
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ProverHole,
                         testing::Values(Hole{false, true, true, 40}, Hole{true, false, true, 45},
                                         Hole{false, false, true, 45},
                                         Hole{true, false, false, 350},
                                         Hole{false, false, false, 350}));

TEST(Prover, ADeadNeighbourIsNoHole) {
    Net net = in_use();
    net.neighbour = false;
    net.live(10'000 * ms);
    EXPECT_EQ(net.veto, 0u);
    EXPECT_EQ(net.flips, 1u) << "other traffic came in by the primary all the time";
}

TEST(Prover, AQuestionThatWasNotSentIsNoQuestion) {
    for (bool sending : {true, false}) {
        Net net = in_use(sending);
        net.live(2000 * ms);
        ASSERT_EQ(net.veto, 0u);
        unsigned flips = net.flips;
        net.full = true;
        net.live(5000 * ms);
        EXPECT_EQ(net.veto, 0u) << "a busy NIC is no hole";
        net.full = false;
        net.live(5000 * ms);
        EXPECT_EQ(net.flips, flips);
    }
}

TEST(Prover, AQueueThatIsFullAndSendsNothingHangs) {
    Net net = in_use();
    net.live(500 * ms);
    net.full = true;
    net.completes = net.out = net.in = false;
    EXPECT_LT(net.until(false), 400 * ms);
    EXPECT_TRUE(net.veto & HL_VETO(TX_HANG)) << net.veto;
    net.live(5000 * ms);
    EXPECT_NE(net.veto, 0u) << "not used before a question can be sent";
    net.full = false;
    net.completes = net.out = net.in = true;
    net.until(true);
    EXPECT_EQ(net.veto, 0u);
}

TEST(Prover, BehindAHoleFromTheStartANeighbourThatIsLookedForIsReasonEnough) {
    Net net;
    net.known = net.out = net.in = false;
    net.until(true);
    EXPECT_FALSE(net.prover.evident());
    net.live(3000 * ms);
    ASSERT_EQ(net.veto, 0u) << "there is nobody to ask";
    net.known = net.unresolved = true;
    EXPECT_LT(net.until(false), 300 * ms);
    EXPECT_TRUE(net.veto & HL_VETO(BLACK_HOLE)) << net.veto;
    net.out = net.in = true;
    net.until(true);
    EXPECT_TRUE(net.prover.evident());
}

TEST(Prover, ANeighbourThatIsLookedForInVainIsAskedSeldom) {
    for (bool sending : {true, false}) {
        Net net = in_use(sending);
        net.neighbour = false;
        net.unresolved = true;
        net.live(1000 * ms);
        unsigned asked = net.asked_primary, flips = net.flips;
        net.live(10'000 * ms);
        EXPECT_LE(net.asked_primary - asked, sending ? 11u : 2u);
        EXPECT_LE(net.flips, flips + 2);
        EXPECT_EQ(net.veto, 0u);
    }
}

TEST(Prover, TheWayThatIsAnsweredIsFoundSoon) {
    Net net = in_use();
    net.ways = 4;
    net.live(250 * ms);
    EXPECT_EQ(net.way, 3u);
    EXPECT_EQ(net.veto, 0u) << "silence to the others proved nothing";
    net.out = net.in = false;
    EXPECT_LT(net.until(false), 50 * ms);
}

TEST(Prover, AQuietGuestIsAskedAtRestAndWakesUsWhenItSpeaks) {
    Net net = in_use(false);
    unsigned before = net.asked_primary;
    net.live(3000 * ms);
    EXPECT_NEAR(net.asked_primary - before, 10, 1);
    EXPECT_TRUE(net.woken);
    net.sending = true;
    before = net.asked_primary;
    net.live(1000 * ms);
    EXPECT_NEAR(net.asked_primary - before, 50, 3);
}

TEST(Prover, AWordNowAndThenIsNoPace) {
    Net net = in_use(false);
    unsigned before = net.asked_primary;
    constexpr unsigned seconds = 10, words = 2 * seconds;
    for (unsigned i = 0; i < words; i++) { // an ARP reply, a neighbour advertisement
        net.sent++;
        net.step();
        net.live(500 * ms);
    }
    EXPECT_LE(net.asked_primary - before, seconds * 10 / 3 + words + 1);
    EXPECT_EQ(net.asked_standby, Net(in_use(false)).asked_standby) << "nothing was doubted";
}

TEST(Prover, AHoleIsFoundByAWordNowAndThen) {
    Net net = in_use(false);
    net.out = net.in = false;
    net.sent++;
    net.step();
    EXPECT_LE(net.until(false), 45 * ms);
}

/// Each question by a path that is not in use moves the network's tables, twice.
TEST(Prover, AReturnAfterCarrierLossMovesTheNetworksTablesOnce) {
    for (bool sending : {false, true}) {
        Net net = in_use(sending);
        net.haste = 0;
        net.usable = false;
        net.step();
        net.live(300 * ms);
        const unsigned primary = net.asked_primary, standby = net.asked_standby;
        net.usable = true;
        net.step();
        net.live(199 * ms);
        EXPECT_EQ(net.veto, HL_VETO(HOLD_DOWN) | HL_VETO(UNPROVEN));
        EXPECT_EQ(net.asked_primary, primary) << "it may flap again";
        EXPECT_LT(net.until(true), 5 * ms);
        EXPECT_EQ(net.asked_primary, primary + 1);
        EXPECT_EQ(net.asked_standby, standby) << "the tables stay where the answer put them";
    }
}

TEST(Prover, AReturnIntoAHoleIsNotUsedHoweverLongItWasHeldDown) {
    for (int hold : {0, 20, 200, 1000}) {
        Net net = in_use();
        net.policy.hold_down = milliseconds(hold);
        net.usable = false;
        net.step();
        net.live(300 * ms);
        net.usable = true;
        net.out = net.in = false;
        net.step();
        net.live(hold * ms + 3000 * ms);
        EXPECT_EQ(net.veto, HL_VETO(UNPROVEN)) << hold;
        net.out = net.in = true;
        EXPECT_LT(net.until(true), 1000 * ms) << hold;
    }
}

class ProverInflow : public testing::TestWithParam<unsigned> {};

/// A silent eject while the guest only listens: what does not come in any more is evidence.
TEST_P(ProverInflow, ThatStopsIsLeftAsSoonAsForAGuestThatSends) {
    for (int phase = 0; phase < 40; phase++) {
        Net net = in_use(false);
        net.inflow = GetParam();
        net.jitter = 20;
        net.live((1000 + phase) * ms);
        net.out = net.in = false;
        EXPECT_LE(net.until(false), 40 * ms) << phase;
        net.live(20 * ms);
        EXPECT_EQ(net.veto, HL_VETO(BLACK_HOLE)) << phase;
    }
}

TEST_P(ProverInflow, CostsNoFrameWhileItFlows) {
    Net net = in_use(false);
    net.inflow = GetParam();
    net.jitter = 20;
    net.live(1000 * ms);
    const unsigned before = net.asked_primary;
    net.live(3000 * ms);
    EXPECT_NEAR(net.asked_primary - before, 10, 1);
}

TEST_P(ProverInflow, ThatEndsIsNoHoleAndWakesNobodyAnyMore) {
    Net net = in_use(false);
    net.inflow = GetParam();
    net.live(1000 * ms);
    net.inflow = 0;
    net.live(400 * ms);
    const unsigned asked = net.asked_primary, steps = net.steps;
    net.live(3000 * ms);
    EXPECT_EQ(net.veto, 0u);
    EXPECT_NEAR(net.asked_primary - asked, 10, 1);
    EXPECT_LE(net.steps - steps, 3 * (net.asked_primary - asked)) << "asked, answered, and no look";
}

INSTANTIATE_TEST_SUITE_P(FramesASecond, ProverInflow, testing::Values(100u, 1000u, 8000u),
                         testing::PrintToStringParamName());

TEST(Prover, AThinInflowIsWatchedAtTheRestingPace) {
    Net net = in_use(false);
    net.inflow = 20;
    net.live(1000 * ms);
    const unsigned steps = net.steps, asked = net.asked_primary;
    net.live(3000 * ms);
    EXPECT_LE(net.steps - steps, 3 * (net.asked_primary - asked));
    net.out = net.in = false;
    EXPECT_LE(net.until(false), 350 * ms);
}

TEST(Prover, WithoutProbesNothingWakesAnybody) {
    Net net;
    net.policy.probing.interval = net.policy.probing.rest = milliseconds(0);
    net.live(100 * ms);
    EXPECT_EQ(net.veto, 0u);
    unsigned before = net.steps;
    net.live(10'000 * ms);
    EXPECT_EQ(net.steps, before);
    EXPECT_EQ(net.asked_primary + net.asked_standby, 0u);
}

/// Its driver says so, and nobody can say that it is over.
TEST(Prover, AHangIsNotForgottenAtOnceWhereNobodyIsAsked) {
    for (bool probes : {false, true}) {
        Net net;
        net.known = false;
        if (!probes) net.policy.probing.interval = milliseconds(0);
        net.live(500 * ms);
        ASSERT_EQ(net.veto, 0u);
        net.prover.refute();
        net.step();
        EXPECT_EQ(net.veto, HL_VETO(BLACK_HOLE)); // the driver's word on the name is policy's
        net.live(4 * std::chrono::seconds(1));
        EXPECT_NE(net.veto, 0u);
        EXPECT_LT(net.until(true), std::chrono::seconds(3));
    }
}

TEST(Prover, AnOperatorOverrulesIt) {
    Net net;
    net.out = net.in = false;
    net.live(500 * ms);
    ASSERT_EQ(net.veto, HL_VETO(UNPROVEN));
    net.veto = 0;
    net.step();
    EXPECT_EQ(net.veto, 0u);
}

TEST(Prover, AnOperatorsChoiceIsNotProbed) {
    Net net = in_use();
    net.veto |= HL_VETO(OPERATOR);
    net.step();
    unsigned before = net.asked_primary;
    net.live(5000 * ms);
    EXPECT_EQ(net.asked_primary, before);
    net.veto = 0;
    net.step();
    EXPECT_EQ(net.veto, 0u);
}

class Grey : public testing::TestWithParam<unsigned> {};

TEST_P(Grey, LossDoesNotOscillate) {
    Net net = in_use();
    net.loss = GetParam();
    net.flips = 0;
    net.live(std::chrono::seconds(60));
    EXPECT_LE(net.flips, 12u);
}

INSTANTIATE_TEST_SUITE_P(Percent, Grey, testing::Values(1u, 5u, 10u, 30u),
                         testing::PrintToStringParamName());

// Whatever the network does: what works in the end is used in the end, and never too often.
RC_GTEST_PROP(ProverProperty, AMendedPathIsUsedInTheEnd, ()) {
    Net net = in_use();
    net.policy.hold_down = milliseconds(*rc::gen::element(0, 20, 200));
    int events = *rc::gen::inRange(1, 8);
    for (int i = 0; i < events; i++) {
        net.out = *rc::gen::arbitrary<bool>();
        net.in = *rc::gen::arbitrary<bool>();
        net.neighbour = *rc::gen::arbitrary<bool>();
        net.usable = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
        net.sending = *rc::gen::arbitrary<bool>();
        net.step(); // a link event
        net.live(*rc::gen::inRange(0, 300) * ms);
    }
    net.out = net.in = net.neighbour = net.usable = net.sending = true;
    net.step();
    net.live(std::chrono::seconds(30));
    RC_ASSERT(net.veto == 0u);
}

} // namespace
} // namespace hitless::test
