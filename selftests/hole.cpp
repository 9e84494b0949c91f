// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/hole.hpp"
#include "selftests/figure.hpp"

#include <algorithm>

namespace hitless::selftest {
namespace {

/// Opens it and waits until it is left; what it took.
Both fall(Pair &pair, Direction direction, const Traffic &traffic) {
    EXPECT_TRUE(pair.becomes("primary"));
    const Marks from = traffic.mark();
    pair.primary().blackhole(direction, true);
    EXPECT_TRUE(until([&] { return pair.veto().contains("black-hole"); }))
        << pair.cli({"status"}).out;
    EXPECT_EQ(pair.active(), "standby");
    EXPECT_TRUE(traffic.pass(100)); // the switch has heard the guest by the standby
    const Marks left = traffic.mark();
    EXPECT_TRUE(traffic.pass(2000));
    const Both after = traffic.since(left);
    expect_lost_at_most("the hole is left, up", after.up, 0);
    // A question by the primary leads the network there until the guest's next frame.
    expect_lost_at_most("the hole is left, down", after.down, traffic.unheard(after));
    const Both got = traffic.since(from);
    EXPECT_GT(got.up.lost + got.down.lost, 0U) << "there was no hole";
    return got;
}

} // namespace

double expect_hole_left(const std::string &figure_name, Pair &pair, Direction direction,
                        const Traffic &traffic) {
    const Both got = fall(pair, direction, traffic);
    // What went into it, both ways; what came after did not.
    const double took = static_cast<double>(std::max(got.up.lost, got.down.lost)) * 1e3 / hole_rate;
    figure(figure_name, took);
    traffic.report(figure_name, got);
    const Marks back = traffic.mark();
    pair.primary().blackhole(direction, false);
    EXPECT_TRUE(pair.becomes("primary")) << pair.controller().out();
    EXPECT_TRUE(traffic.pass(500));
    const Both mended = traffic.since(back);
    traffic.report("  mended", mended);
    expect_lost_at_most("mended, up", mended.up, 0);
    return took;
}

} // namespace hitless::selftest
