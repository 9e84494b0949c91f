// SPDX-License-Identifier: BSD-2-Clause
//
// What the test bed's NICs carry, and what can be done to the primary. Needs root; no datapath.
#include "testbed/bulk.hpp"
#include "testbed/flow.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <csignal>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hitless::testbed {
namespace {

using namespace std::chrono_literals;

class NicTest : public testing::TestWithParam<NicKind> {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
    }
    TestbedSpec spec() const { return {.standby = GetParam(), .primary = GetParam()}; }
};

bool shows(const Nic &nic, const char *flag) {
    // "dev" is needed: a bare "primary" is a keyword of ip, and would show every link.
    const std::string shown =
        spawn({"ip", "-n", nic.where().name(), "link", "show", "dev", nic.ifname()});
    return shown.find(flag) != shown.npos;
}

const std::vector<std::uint8_t> marked = from_hex("ffffffffffff 525400770099 88b5 68697421");

/// How many of three broadcasts from far reach `ifname` in the guest.
/// Of three; waits for so many, and then whether more come.
int broadcasts_received(Testbed &bed, const std::string &ifname, int expected) {
    PacketSocket in = in_netns(bed.guest(), [&] { return PacketSocket(ifname, 0x88b5); });
    PacketSocket out = in_netns(bed.far(), [] { return PacketSocket("lan"); });
    auto frame = marked;
    frame.resize(60);
    for (int i = 0; i < 3; ++i)
        out.send(frame);
    int count = 0;
    while (in.next(count < expected ? default_patience : 200ms))
        ++count;
    return count;
}

TEST_P(NicTest, EventsOfThePrimaryHappen) {
    Testbed bed(spec());
    Nic &primary = bed.primary();
    primary.add();
    EXPECT_FALSE(shows(primary, ",UP")); // as a hypervisor leaves it
    primary.admin(true);
    EXPECT_TRUE(until([&] { return shows(primary, "LOWER_UP"); }));
    EXPECT_TRUE(shows(primary, Testbed::mac));
    ASSERT_TRUE(until([&] { return broadcasts_received(bed, "primary", 1) == 3; }));

    primary.flood(false);
    EXPECT_EQ(broadcasts_received(bed, "primary", 0), 0);
    EXPECT_EQ(broadcasts_received(bed, "standby", 3), 3);
    primary.flood(true);
    EXPECT_EQ(broadcasts_received(bed, "primary", 3), 3);

    primary.blackhole(Direction::rx, true);
    EXPECT_TRUE(shows(primary, "LOWER_UP")); // nothing tells the guest
    EXPECT_EQ(broadcasts_received(bed, "primary", 0), 0);
    primary.blackhole(Direction::rx, false);
    EXPECT_EQ(broadcasts_received(bed, "primary", 3), 3);

    primary.carrier(false);
    EXPECT_TRUE(until([&] { return !shows(primary, "LOWER_UP"); }));
    EXPECT_EQ(broadcasts_received(bed, "primary", 0), 0);
    primary.carrier(true);
    EXPECT_TRUE(until([&] { return shows(primary, "LOWER_UP"); }));

    primary.admin(false);
    EXPECT_FALSE(shows(primary, ",UP"));
    primary.mac("52:54:00:77:00:33");
    EXPECT_TRUE(shows(primary, "52:54:00:77:00:33"));
    primary.rename("vf0");
    primary.move_to(bed.elsewhere());
    EXPECT_NO_THROW(primary.ifindex());
    EXPECT_THROW(broadcasts_received(bed, "vf0", 0), std::exception);
    primary.remove();
    EXPECT_FALSE(primary.present());
}

TEST_P(NicTest, TagsCrossTheSwitch) {
    Testbed bed(spec());
    PacketSocket in = in_netns(bed.guest(), [] { return PacketSocket("standby"); });
    PacketSocket out = in_netns(bed.far(), [] { return PacketSocket("lan"); });
    auto frame = from_hex("ffffffffffff 525400770099 8100 2064 88b5 68697421");
    frame.resize(64);
    out.send(frame);
    std::optional<CapturedFrame> got;
    do
        got = in.next(default_patience);
    while (got && !got->vlan);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->vlan->tpid, 0x8100);
    EXPECT_EQ(got->vlan->tci, 0x2064);
}

TEST_P(NicTest, TcpArrivesByteForByteAndSurvivesAnOutage) {
    Testbed bed(spec());
    Bulk full(bed.guest(), bed.far(), {.to = Testbed::far4, .bytes_per_s = 0});
    EXPECT_TRUE(until([&] { return full.report().bytes > 100'000'000; }));
    BulkReport r = full.finish();
    fmt::print("{} bytes at {:.2f} Gbit/s\n", r.bytes, r.bytes_per_s * 8e-9);
    EXPECT_EQ(r.error, 0);
    EXPECT_FALSE(r.wrong_at);

    Bulk steady(bed.far(), bed.guest(), {.to = Testbed::guest4, .port = 7799});
    EXPECT_TRUE(until([&] { return steady.report().bytes > 1'000'000; }));
    bed.standby().blackhole(Direction::both, true);
    EXPECT_TRUE(until([&] { return steady.report().longest_stall_ns > 100'000'000; }));
    bed.standby().blackhole(Direction::both, false);
    const auto before = steady.report().bytes;
    EXPECT_TRUE(until([&] { return steady.report().bytes > before; }));
    r = steady.finish();
    EXPECT_EQ(r.error, 0);
    EXPECT_FALSE(r.wrong_at);
    EXPECT_GT(r.longest_stall_ns, 100'000'000U);
}

TEST_P(NicTest, ALaboratoryIsQuicklyMadeAndLeavesNothing) {
    std::string name;
    const auto start = now_ns();
    std::uint64_t made = 0;
    {
        const Testbed bed(spec());
        made = now_ns() - start;
        name = bed.guest().name();
        EXPECT_NE(spawn({"ip", "netns", "list"}).find(name), std::string::npos);
    }
    fmt::print("made in {:.0f} ms, removed in {:.0f} ms\n", static_cast<double>(made) / 1e6,
               static_cast<double>(now_ns() - start - made) / 1e6);
    EXPECT_EQ(spawn({"ip", "netns", "list"}).find(name), std::string::npos);
}

TEST_P(NicTest, WhatAKilledProcessLeftIsSwept) {
    const pid_t child = fork();
    if (child == 0) {
        const Testbed bed(spec());
        raise(SIGKILL);
    }
    waitpid(child, nullptr, 0);
    const std::string left = fmt::format("hl{}-guest", child);
    const std::string left_again = fmt::format("hl{}x", child); // the counter was inherited
    const std::string before = spawn({"ip", "netns", "list"});
    EXPECT_TRUE(before.find(left) != before.npos || before.find(left_again) != before.npos);
    sweep_stale_netns();
    const std::string after = spawn({"ip", "netns", "list"});
    EXPECT_TRUE(after.find(left) == after.npos && after.find(left_again) == after.npos);
}

INSTANTIATE_TEST_SUITE_P(Kinds, NicTest, testing::Values(NicKind::veth, NicKind::tap),
                         [](const auto &kind) {
                             return kind.param == NicKind::veth ? "veth" : "tap";
                         });

} // namespace
} // namespace hitless::testbed
