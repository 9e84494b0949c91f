// SPDX-License-Identifier: BSD-2-Clause
//
// The controller may be killed, stopped, restarted and doubled at any time: frames do not notice.
#include "selftests/figure.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/pins.hpp"

#include <csignal>
#include <random>

namespace hitless::selftest {
namespace {

class ControllerLife : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }
};

TEST_P(ControllerLife, KilledInSteadyStateAndAdopted) {
    Traffic traffic(bed());
    const auto flips = pair().status()["flips"].get<int>();
    const Marks from = traffic.mark();
    const Ids pinned = pinned_ids();
    for (int i = 0; i < 10; ++i) {
        pair().kill_controller();
        EXPECT_EQ(pair().active(), "primary");
        ASSERT_TRUE(traffic.pass(200));
        pair().start_controller();
        figure("adopted, process start included", pair().ready_after_ms());
    }
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("10 x kill -9 and restart", got);
    expect_nothing_lost("kill -9", got);
    EXPECT_TRUE(pinned_ids() == pinned) << "made anew, not adopted";
    EXPECT_EQ(pair().status()["flips"].get<int>(), flips);
}

TEST_P(ControllerLife, KilledAtAnyPointOfAnEvent) {
    constexpr unsigned rounds = 20;
    Traffic traffic(bed());
    std::mt19937 random(20230601); // the same points every time, as far as a scheduler allows
    const Marks from = traffic.mark();
    for (unsigned i = 0; i < rounds; ++i) {
        set_up(pair().primary().where(), "primary", false);
        pace(now_ns() + random() % 3'000'000);
        pair().kill_controller();
        ASSERT_FALSE(pair().is_up("primary"));
        pair().start_controller();
        set_up(pair().primary().where(), "primary", true);
        pace(now_ns() + random() % 30'000'000); // the hold-down ends in here
        pair().kill_controller();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary")) << "round " << i << "\n"
                                               << pair().controller().out();
    }
    const Both got = traffic.since(from);
    traffic.report("40 kills during 20 losses", got);
    expect_lost_at_most("up", got.up, rounds);
}

TEST_P(ControllerLife, SigtermEndsItAndLeavesTheDatapath) {
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    pair().controller().signal(SIGTERM);
    EXPECT_EQ(pair().controller().wait(), 0);
    const auto before = pair().counter("tx_primary");
    ASSERT_TRUE(traffic.pass(500));
    EXPECT_GE(pair().counter("tx_primary"), before + 400);
    expect_nothing_lost("SIGTERM", traffic.since(from));
    pair().primary().admin(false);
    ASSERT_FALSE(pair().is_up("primary"));
    ASSERT_TRUE(traffic.pass(500));
    EXPECT_EQ(pair().active(), "standby");
}

TEST_P(ControllerLife, StoppedItHindersNothing) {
    Traffic traffic(bed());
    pair().controller().signal(SIGSTOP);
    Marks from = traffic.mark();
    pair().primary().admin(false);
    ASSERT_FALSE(pair().is_up("primary"));
    ASSERT_TRUE(traffic.pass(1000));
    Both got = traffic.since(from);
    traffic.report("admin down while SIGSTOPped", got);
    expect_lost_at_most("up", got.up, 1);
    EXPECT_EQ(pair().active(), "standby");
    pair().primary().admin(true);
    from = traffic.mark();
    pair().controller().signal(SIGCONT);
    EXPECT_TRUE(pair().becomes("primary"));
    expect_nothing_lost("SIGCONT", traffic.since(from));
}

TEST_P(ControllerLife, TheSecondOneNamesTheFirst) {
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    const Outcome second = pair().cli({"run"});
    EXPECT_EQ(second.code, 75) << second.shown();
    EXPECT_NE(second.err.find(std::to_string(pair().controller().pid())), std::string::npos)
        << second.shown();
    ASSERT_TRUE(traffic.pass(500));
    expect_nothing_lost("second controller", traffic.since(from));
    EXPECT_FALSE(pair().controller().ended());
    EXPECT_EQ(pair().active(), "primary");
}

HL_INSTANTIATE_MODELS(ControllerLife);

} // namespace
} // namespace hitless::selftest
