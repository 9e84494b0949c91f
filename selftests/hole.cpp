// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/hole.hpp"

#include <algorithm>

namespace hitless::selftest {
namespace {

/// A hole in both directions is made in two steps, and the first may be found before the second.
constexpr double opening_ms = 5;

/// Opens it and waits until it is left.
Both fall(Pair &pair, Direction direction, const Traffic &traffic) {
    EXPECT_TRUE(pair.becomes("primary"));
    const Marks from = traffic.mark();
    pair.primary().blackhole(direction, true);
    EXPECT_TRUE(until([&] { return pair.veto().contains("black-hole"); }, 5s))
        << pair.cli({"status"}).out;
    EXPECT_EQ(pair.active(), "standby");
    EXPECT_TRUE(traffic.pass(2000));
    const Both got = traffic.since(from);
    EXPECT_GT(got.up.lost + got.down.lost, 0U) << "there was no hole";
    return got;
}

} // namespace

void expect_hole_left_within(double limit_ms, Pair &pair, Direction direction,
                             const Traffic &traffic) {
    expect_within("ms of frames in the hole", limit_ms + opening_ms, [&] {
        const Both got = fall(pair, direction, traffic);
        // What went into it, both ways; what came after did not.
        const double took =
            static_cast<double>(std::max(got.up.lost, got.down.lost)) * 1e3 / hole_rate;
        traffic.report(fmt::format("hole, {:.0f} ms of frames", took), got);
        const Marks back = traffic.mark();
        pair.primary().blackhole(direction, false);
        EXPECT_TRUE(pair.becomes("primary", 20s)) << pair.controller().out();
        EXPECT_TRUE(traffic.pass(500));
        traffic.report("  mended", traffic.since(back));
        return testing::Test::HasFailure() ? std::nullopt : std::optional(took);
    });
}

} // namespace hitless::selftest
