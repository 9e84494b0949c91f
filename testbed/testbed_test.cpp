// SPDX-License-Identifier: BSD-2-Clause
//
// The test bed itself: before it may say that a datapath lost a frame, it must be shown to lose
// none by itself, and each event must be shown to happen. Needs root; standby only, no datapath.
// HITLESS_PROVING_SECONDS (default 2) sets how long the traffic runs.
#include "testbed/flow.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace hitless::testbed {
namespace {

using namespace std::chrono_literals;

std::uint64_t traffic_ns() {
    const char *seconds = std::getenv("HITLESS_PROVING_SECONDS");
    return (seconds != nullptr ? std::stoull(seconds) : 2) * 1'000'000'000;
}

class Bed : public testing::TestWithParam<NicKind> {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
    }
    TestbedSpec spec() const { return {.standby = GetParam(), .primary = GetParam()}; }
};

FlowSpec up_flow(unsigned rate = 20'000) {
    return {.from = Testbed::guest4, .to = Testbed::far4, .rate = rate};
}
FlowSpec down_flow(unsigned rate = 20'000) {
    return {.from = Testbed::far4, .to = Testbed::guest4, .rate = rate};
}

bool flows_again(const Flow &flow) {
    const auto mark = flow.mark();
    // The kernel may take a second over a link that came back (linkwatch).
    return until([&] { return flow.receiver().seen() > mark; });
}
/// Nothing of what is sent in 50 ms arrives within the next 100 ms.
bool stands_still(const Flow &flow) {
    const auto from = flow.mark();
    until([&] { return flow.mark() >= from + 50; });
    const auto to = flow.mark();
    return to > from && flow.between(from, to, 100ms).lost == to - from;
}

TEST_P(Bed, LosesNothingByItself) {
    Testbed bed(spec());
    Flow up(bed.guest(), bed.far(), up_flow());
    Flow down(bed.far(), bed.guest(), down_flow());
    up.start();
    down.start();
    const auto end = now_ns() + traffic_ns();
    pace(end);
    up.stop();
    down.stop();
    for (const Flow *flow : {&up, &down}) {
        const Tally t = flow->since(0);
        fmt::print("{}: frames {} lost {} dup {} reordered {} gap {:.2f} ms delay {:.2f} ms drops "
                   "{} not sent {}\n",
                   flow == &up ? "up" : "down", t.frames, t.lost, t.duplicated, t.reordered,
                   static_cast<double>(t.longest_gap_ns) / 1e6,
                   static_cast<double>(t.longest_delay_ns) / 1e6, flow->receiver().socket_drops(),
                   flow->sender().not_sent());
        EXPECT_GT(t.frames, traffic_ns() / 1'000'000'000 * 19'000);
        EXPECT_EQ(t.lost + t.duplicated + t.reordered, 0U);
        EXPECT_EQ(flow->receiver().socket_drops() + flow->sender().not_sent(), 0U);
    }
}

TEST_P(Bed, EventsOfTheStandbyHappen) {
    Testbed bed(spec());
    Flow up(bed.guest(), bed.far(), up_flow(1000));
    Flow down(bed.far(), bed.guest(), down_flow(1000));
    up.start();
    down.start();
    ASSERT_TRUE(flows_again(up) && flows_again(down));
    Nic &nic = bed.standby();

    nic.blackhole(Direction::tx, true);
    EXPECT_TRUE(stands_still(up));
    EXPECT_TRUE(flows_again(down));
    nic.blackhole(Direction::both, true);
    EXPECT_TRUE(stands_still(down));
    nic.blackhole(Direction::tx, false);
    EXPECT_TRUE(flows_again(up));
    EXPECT_TRUE(stands_still(down));
    nic.blackhole(Direction::both, false);
    EXPECT_TRUE(flows_again(down));

    nic.carrier(false);
    EXPECT_TRUE(stands_still(down));
    nic.carrier(true);
    EXPECT_TRUE(flows_again(up) && flows_again(down));

    nic.admin(false);
    EXPECT_TRUE(stands_still(down));
    nic.admin(true);
    EXPECT_TRUE(flows_again(up) && flows_again(down));
}

TEST_P(Bed, ThePrimaryComesAndGoes) {
    Testbed bed(spec());
    Nic &primary = bed.primary();
    EXPECT_FALSE(primary.present());
    primary.add();
    const unsigned first = primary.ifindex();
    EXPECT_NE(first, bed.standby().ifindex());
    primary.move_to(bed.elsewhere());
    EXPECT_NO_THROW(primary.ifindex());
    primary.remove();
    EXPECT_THROW(primary.ifindex(), std::exception);
    primary.add();
    primary.admin(true);
    primary.flood(false);
    primary.remove();
}

TEST_P(Bed, CarriesJumboFramesAndChangesMtu) {
    Testbed bed(spec());
    FlowSpec large = up_flow(200);
    large.size = 8000;
    bed.mtu(9000);
    Flow up(bed.guest(), bed.far(), large);
    up.start();
    until([&] { return up.mark() >= 100; });
    up.stop();
    EXPECT_EQ(up.since(0).lost, 0U);
}

TEST_P(Bed, MulticastBroadcastAndIpv6Arrive) {
    Testbed bed(spec());
    ASSERT_TRUE(bed.addresses_ready());
    const auto arrives = [&](FlowSpec send, const std::string &join) {
        FlowSpec receive = send;
        receive.ifname = join;
        send.rate = receive.rate = 1000;
        Flow flow(bed.guest(), send, bed.far(), receive);
        flow.start();
        until([&] { return flow.mark() >= 100; });
        flow.stop();
        const Tally t = flow.since(0);
        return t.frames >= 100 && t.lost == 0 && t.duplicated == 0;
    };
    EXPECT_TRUE(arrives({.to = "239.7.7.7", .ifname = "standby"}, "lan"));
    EXPECT_TRUE(arrives({.to = "ff15::77", .ifname = "standby"}, "lan"));
    EXPECT_TRUE(arrives({.to = Testbed::broadcast4}, ""));
    EXPECT_TRUE(arrives({.from = Testbed::guest6, .to = Testbed::far6}, ""));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Bed, testing::Values(NicKind::veth, NicKind::tap),
                         [](const auto &kind) {
                             return kind.param == NicKind::veth ? "veth" : "tap";
                         });

} // namespace
} // namespace hitless::testbed
