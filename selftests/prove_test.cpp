// SPDX-License-Identifier: BSD-2-Clause
//
// A carrier says that a cable is plugged in, not that frames pass. The path must be proved before
// it is used, and left when it turns out a hole.
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

constexpr const char *direction_names[] = {"Rx", "Tx", "Both"};

using Params = std::tuple<NicKind, Direction>;

class BlackHole : public testing::TestWithParam<Params> {
  protected:
    void SetUp() override { pair_ = std::make_unique<Pair>(std::get<0>(GetParam())); }
    Pair &pair() { return *pair_; }
    Direction direction() const { return std::get<1>(GetParam()); }

    void start(std::vector<std::string> options = {}) {
        options.insert(options.end(), {"--hold-down", "20"});
        pair().attach(options);
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }

    /// Milliseconds of frames that went into the hole, both ways; what came after did not.
    static double swallowed_ms(const Both &got) {
        return static_cast<double>(std::max(got.up.lost, got.down.lost)) * 1e3 / rate;
    }

    /// Opens the hole under traffic, waits until it is left for its own reason.
    Both fall(Traffic &traffic) {
        const Marks from = traffic.mark();
        pair().primary().blackhole(direction(), true);
        EXPECT_TRUE(until([&] { return pair().veto().contains("black-hole"); }, 5s))
            << pair().cli({"status"}).out;
        EXPECT_EQ(pair().active(), "standby");
        EXPECT_TRUE(traffic.pass(2000));
        const Both got = traffic.since(from);
        EXPECT_GT(got.up.lost + got.down.lost, 0U) << "there was no hole";
        return got;
    }

    static constexpr unsigned rate = 20'000;
    std::unique_ptr<Pair> pair_;
};

TEST_P(BlackHole, IsLeftWhileTheGuestSends) {
    start();
    Traffic traffic(pair().lab(), rate);
    const Both got = fall(traffic);
    traffic.report(fmt::format("hole, {:.0f} ms of frames", swallowed_ms(got)), got);
    if (!starved()) {
        EXPECT_LE(swallowed_ms(got), 50);
    }
    const Marks back = traffic.mark();
    pair().primary().blackhole(direction(), false);
    ASSERT_TRUE(pair().becomes("primary", 20s)) << pair().controller().out();
    ASSERT_TRUE(traffic.pass(500));
    const Both returned = traffic.since(back);
    traffic.report("  mended", returned);
}

INSTANTIATE_TEST_SUITE_P(Nic, BlackHole,
                         testing::Combine(testing::Values(NicKind::veth, NicKind::tap),
                                          testing::Values(Direction::rx, Direction::tx,
                                                          Direction::both)),
                         [](const auto &test) {
                             return name_of(std::get<0>(test.param)) +
                                    direction_names[static_cast<int>(std::get<1>(test.param))];
                         });

} // namespace
} // namespace hitless::selftest
