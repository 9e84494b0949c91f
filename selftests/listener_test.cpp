// SPDX-License-Identifier: BSD-2-Clause
//
// A guest that only listens: what does not come in any more is evidence against the path.
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

constexpr unsigned rest_s = 3, rate = 200;
// Who waits for the next question is in time in one round of 12. A busy machine is late in some.
constexpr unsigned rounds = 7, wanted = 3, in_time = rate * rest_s / 12;

class Listener : public PairTest {
  protected:
    /// Questions at rest come so rarely that they find a hole after a second and a half on average.
    void start() {
        pair().attach();
        pair().start_controller(
            {"--config", pair().config(fmt::format("[[pair]]\nstandby = \"standby\"\n"
                                                   "primary = \"mac\"\nhold_down_ms = 20\n"
                                                   "probe_rest_ms = {}\n",
                                                   rest_s * 1000))});
        ASSERT_TRUE(pair().becomes("primary"));
    }
    /// From one question at rest to the next the controller learns that frames come in steadily.
    static void let_it_learn(const Flow &down) {
        const auto before = down.receiver().arrivals();
        ASSERT_TRUE(until(
            [&] { return down.receiver().arrivals() > before + 5 * rate * rest_s / 2; }, 60s));
    }
};

TEST_P(Listener, LeavesAHoleWhenFramesStayAway) {
    start();
    { Traffic traffic(bed(), 2000); } // the guest has a neighbour to ask
    Flow down(bed().far(), bed().guest(),
              {.from = Testbed::far4, .to = Testbed::guest4, .rate = rate});
    down.start();
    unsigned good = 0;
    for (unsigned i = 0; i < rounds && good < wanted; ++i) {
        let_it_learn(down);
        const auto from = down.mark();
        pair().primary().blackhole(Direction::both, true);
        ASSERT_TRUE(until([&] { return pair().veto().contains("black-hole"); }))
            << pair().cli({"status"}).out;
        const auto arrivals = down.receiver().arrivals();
        EXPECT_TRUE(until([&] { return down.receiver().arrivals() > arrivals + 20; }))
            << "the network still sends into the hole";
        const Tally got = down.since(from);
        fmt::print("  {} frames of {} a second missed\n", got.lost, rate);
        EXPECT_GT(got.lost, 0U) << "there was no hole";
        good += got.lost < in_time;
        pair().primary().blackhole(Direction::both, false);
        ASSERT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
    }
    EXPECT_EQ(good, wanted) << "it waited for the next question";
}

HL_INSTANTIATE_MODELS(Listener);

} // namespace
} // namespace hitless::selftest
