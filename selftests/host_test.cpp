// SPDX-License-Identifier: BSD-2-Clause
//
// The hypervisor's half under traffic: gives and takes lose nothing, whoever dies or is silent.
#include "selftests/figure.hpp"
#include "selftests/host_bed.hpp"

#include <cstdlib>

namespace hitless::selftest {
namespace {

struct Guest {
    NicKind nic;
    bool real; ///< `hitless run`; else a stand-in
};

class HostTest : public testing::TestWithParam<Guest> {
  protected:
    void SetUp() override {
        HL_NEEDS_KERNEL(6, 6, "tcx");
        bed_ = std::make_unique<HostBed>(GetParam().nic, GetParam().real);
    }
    HostBed &bed() { return *bed_; }
    Testbed &net() { return bed_->pair().bed(); }
    /// The wrong order, by hand.
    void deliver_to(const char *port) {
        spawn({"bridge", "-n", net().switch_ns().name(), "fdb", "replace", Testbed::mac, "dev",
               port, "master", "static", "sticky"});
    }
    /// How long each step took, as the daemon tells of the latest.
    static void figures_of_events() {
        const Json events = ask_host("Events")["parameters"]["events"];
        for (const char *kind : {"give", "take"})
            for (const char *step : {"answered_s", "moved_s"}) {
                double sum = 0, count = 0;
                for (const Json &event : events)
                    if (event["kind"] == kind && event[step].is_number()) {
                        sum += event[step].get<double>();
                        count++;
                    }
                if (count > 0)
                    figure(fmt::format("{}, from the wish until {}", kind,
                                       step[0] == 'm'   ? "the downlink was read back"
                                       : kind[0] == 'g' ? "the guest was ready"
                                                        : "the guest had left"),
                           sum / count * 1e3);
            }
    }

  private:
    std::unique_ptr<HostBed> bed_;
};

TEST_P(HostTest, GivesAndTakesLoseNothing) {
    const unsigned rounds =
        getenv("HITLESS_SELFTEST_MOVES") ? atoi(getenv("HITLESS_SELFTEST_MOVES")) / 2 : 100;
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    const auto start = bed().pair().status();
    Marks from = traffic.mark();
    Both all{};
    const auto judge = [&] { // the harness remembers so many frames
        const Marks next = traffic.mark();
        const Both got = traffic.since(from);
        all.up += got.up;
        all.down += got.down;
        from = next;
    };
    for (unsigned i = 0; i < rounds; i++) {
        for (const bool give : {false, true}) {
            ASSERT_TRUE(bed().carry_out(give)) << bed().guest().dump();
            EXPECT_EQ(bed().pair().active(), give ? "primary" : "standby")
                << bed().pair().status().dump() << "\n"
                << bed().guest().dump();
            ASSERT_TRUE(traffic.pass(20));
        }
        if (i % 50 == 49) judge();
    }
    judge();
    traffic.report(fmt::format("{} gives and takes", 2 * rounds), all);
    EXPECT_GE(bed().pair().status()["flips"].get<unsigned>() - start["flips"].get<unsigned>(),
              2 * rounds);
    expect_nothing_lost("gives and takes", all);
    figures_of_events();
}

/// The control: the same moves in the other order.
TEST_P(HostTest, TheWrongOrderLoses) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(false));
    bed().stop_host();
    bed().pair().primary().admin(false); // a guest that is not ready
    Traffic traffic(net());
    const Marks from = traffic.mark();
    deliver_to("sw-primary");
    ASSERT_TRUE(until([&] { return traffic.mark().down >= from.down + 2'000; }));
    deliver_to("sw-standby");
    const Both got = traffic.since(from);
    traffic.report("given before it was ready", got);
    EXPECT_GT(got.down.lost, 100U);
    EXPECT_EQ(got.up.lost, 0U);
}

TEST_P(HostTest, ASilentGuestIsLeftAtTheDeadline) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    bed().mute(true);
    const Marks from = traffic.mark();
    const std::uint64_t start = now_ns();
    ASSERT_TRUE(bed().wish(false));
    ASSERT_TRUE(until([&] { return bed().guest()["downlink"] == "standby"; }));
    const double took = static_cast<double>(now_ns() - start) / 1e6;
    figure("a silent guest's downlink moved after", took);
    EXPECT_GE(took, 250) << "it is given its time";
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("silent guest", got);
    expect_nothing_lost("silent guest", got); // it receives by both
    EXPECT_EQ(bed().guest()["overdue"], true);
    bed().mute(false);
    ASSERT_TRUE(until([&] { return bed().settled(false); }));
}

/// What the host says is lost on its way out of the tap, behind our own program.
TEST_P(HostTest, AThirdOfTheHostsWordsLostItIsReachedAllTheSame) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    const auto sent = [&] { return bed().guest()["counters"]["sent"].get<std::uint64_t>(); };
    constexpr unsigned moves = 20;
    const auto move_often = [&] {
        const std::uint64_t before = sent();
        for (unsigned i = 0; i < moves; i++)
            EXPECT_TRUE(bed().carry_out(i % 2 != 0)) << bed().guest().dump();
        return sent() - before;
    };
    const std::uint64_t whole = move_often();
    net().standby().lose(Direction::rx, 30);
    const std::uint64_t lossy = move_often();
    fmt::print("  messages of the host for {} moves: {}, and {} with 30 % lost\n", moves, whole,
               lossy);
    EXPECT_GT(lossy, whole) << "some were said again";
}

/// As many calls as a give and a take make are counted, and one daemon dies at each (or, here, at a
/// share of them; HITLESS_SELFTEST_EVERY_CALL=1 is thorough).
TEST_P(HostTest, KilledAtAnyCallItLosesNothingAndTheNextOneGoesOn) {
    if (GetParam().nic == NicKind::tap) GTEST_SKIP() << "the daemon knows no difference";
    constexpr unsigned share = 12;
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    unsigned kills = 0;
    for (const bool give : {false, true}) {
        const auto wish = [&] { std::thread([this, give] { bed().wish(give); }).detach(); };
        const auto path = [&] { return bed().pair().active() == (give ? "primary" : "standby"); };
        unsigned calls = bed().host().kill_at_call(100'000, wish, path);
        ASSERT_GT(calls, 20U);
        const bool thorough = getenv("HITLESS_SELFTEST_EVERY_CALL") != nullptr;
        const unsigned step = thorough ? 1 : std::max(1U, calls / share);
        for (unsigned at = 1; at <= calls; at += step, kills++) {
            bed().start_host();
            ASSERT_TRUE(bed().carry_out(!give)) << bed().guest().dump();
            const Marks from = traffic.mark();
            bed().host().kill_at_call(at, wish, nullptr);
            ASSERT_TRUE(traffic.pass(100));
            bed().start_host();
            ASSERT_TRUE(bed().carry_out(give)) << bed().guest().dump();
            ASSERT_TRUE(traffic.pass(100));
            const Both got = traffic.since(from);
            expect_nothing_lost(fmt::format("{} killed at call {}", give ? "give" : "take", at),
                                got);
            bed().stop_host();
        }
        fmt::print("  a {} makes {} entries and exits of system calls\n", give ? "give" : "take",
                   calls);
        bed().start_host();
        ASSERT_TRUE(bed().carry_out(give));
    }
    figure("daemons killed", kills, "");
}

INSTANTIATE_TEST_SUITE_P(Guest, HostTest,
                         testing::Values(Guest{NicKind::veth, true}, Guest{NicKind::tap, true},
                                         Guest{NicKind::veth, false}),
                         [](const auto &guest) {
                             return name_of(guest.param.nic) + (guest.param.real ? "" : "StandIn");
                         });

} // namespace
} // namespace hitless::selftest
