// SPDX-License-Identifier: BSD-2-Clause
//
// Planned switches lose nothing.
#include "loader/api.hpp"
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

class Switch : public PairTest {};

/// Frames really left by both NICs, and each flip happened.
struct Uses {
    std::uint64_t primary, standby, flips;
};

Uses uses(Pair &pair) {
    return {pair.counter("tx_primary"), pair.counter("tx_standby"), pair.status()["flips"]};
}

TEST_P(Switch, AThousandTimesLosesNothing) {
    constexpr unsigned switches = 1000, frames_of_a_burst = 20; // 20 kpps, each millisecond
    pair().attach();
    ASSERT_EQ(pair().active(), "primary");
    Traffic traffic(bed());
    const Uses before = uses(pair());
    const Marks from = traffic.mark();
    for (unsigned i = 0; i < switches; ++i) {
        in_netns(bed().guest(),
                 [&] { switch_path("standby", i % 2 ? Target::automatic : Target::standby); });
        ASSERT_TRUE(traffic.pass(20));
    }
    const Both got = traffic.since(from);
    const Uses after = uses(pair());
    traffic.report("1,000 planned switches", got);
    EXPECT_EQ(after.flips - before.flips, switches);
    EXPECT_GT(after.primary - before.primary, 5'000U);
    EXPECT_GT(after.standby - before.standby, 5'000U);
    expect_nothing_lost("planned switches", got);
    // Two taps are two queues that drain at their own pace, and nothing behind the flip can order
    // them: what one burst has left in the old one may be overtaken.
    const unsigned overtaken = GetParam() == NicKind::veth ? 0U : switches * frames_of_a_burst;
    EXPECT_LE(got.up.reordered, overtaken);
    EXPECT_LE(got.down.reordered, overtaken);
}

TEST_P(Switch, ByTheCommandLineToo) {
    pair().attach();
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    for (int i = 0; i < 10; ++i)
        for (const char *path : {"standby", "primary"}) {
            const Outcome o = pair().cli({"switch", "standby", path, "--wait", "--timeout", "2"});
            ASSERT_EQ(o.code, 0) << o.shown();
            EXPECT_EQ(pair().active(), path);
            EXPECT_TRUE(traffic.pass(50));
        }
    const Both got = traffic.since(from);
    traffic.report("20 switches by CLI", got);
    expect_nothing_lost("switches by CLI", got);
}

HL_INSTANTIATE_MODELS(Switch);

} // namespace
} // namespace hitless::selftest
