// SPDX-License-Identifier: BSD-2-Clause
//
// The hypervisor's half under traffic: gives and takes lose nothing, whoever dies or is silent.
#include "selftests/figure.hpp"
#include "selftests/host_bed.hpp"
#include "selftests/programs.hpp"
#include "selftests/steps.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace hitless::selftest {
namespace {

struct Guest {
    const char *name = "";
    Setting nic;
    bool real = true; ///< `hitless run`; else a stand-in
    std::vector<std::string> attach = {"--hold-down", "20"};
};

void PrintTo(const Guest &guest, std::ostream *out) {
    *out << guest.name;
}

class HostTest : public testing::TestWithParam<Guest> {
  protected:
    void SetUp() override {
        HL_NEEDS_KERNEL(6, 6, "tcx");
        bed_ = std::make_unique<HostBed>(GetParam().nic, GetParam().real, GetParam().attach);
    }
    HostBed &bed() { return *bed_; }
    Testbed &net() { return bed_->pair().bed(); }
    void give_and_take(unsigned rounds);
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
                std::vector<double> ms;
                for (const Json &event : events)
                    if (event["kind"] == kind && event[step].is_number())
                        ms.push_back(event[step].get<double>() * 1e3);
                figures(fmt::format("{}, from the request until {}", kind,
                                    step[0] == 'm'   ? "the downlink was read back"
                                    : kind[0] == 'g' ? "the guest was ready"
                                                     : "the guest had left"),
                        ms);
            }
    }

  private:
    std::unique_ptr<HostBed> bed_;
};

void HostTest::give_and_take(unsigned rounds) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    const auto start = bed().pair().status();
    Both gives{}, takes{};
    std::uint64_t by_the_primary = 0; // towards a guest that had left it
    const auto received = [&] { return net().primary().counters().rx; };
    for (unsigned i = 0; i < rounds; i++)
        for (const bool give : {false, true}) {
            const Marks from = traffic.mark();
            ASSERT_TRUE(bed().carry_out(give)) << bed().guest().dump();
            EXPECT_EQ(bed().pair().active(), give ? "primary" : "standby")
                << bed().pair().status().dump() << "\n"
                << bed().guest().dump();
            const std::uint64_t before = received();
            ASSERT_TRUE(traffic.pass(20));
            if (!give) by_the_primary += received() - before;
            const Both got = traffic.since(from);
            Both &sum = give ? gives : takes;
            sum.up += got.up;
            sum.down += got.down;
        }
    traffic.report(fmt::format("{} gives", rounds), gives);
    traffic.report(fmt::format("{} takes", rounds), takes);
    EXPECT_GE(bed().pair().status()["flips"].get<unsigned>() - start["flips"].get<unsigned>(),
              2 * rounds);
    expect_nothing_lost("gives", gives);
    expect_nothing_lost("takes", takes);
    // A tap's frames are carried by a thread each, which do not wait for each other.
    if (GetParam().nic.kind == NicKind::veth) {
        EXPECT_EQ(takes.up.reordered + takes.down.reordered, 0U);
    }
    fmt::print("  {} frames came by the primary after {} takes\n", by_the_primary, rounds);
    EXPECT_LT(by_the_primary, rounds) << "no more than somebody's broadcast";
    figures_of_events();
}

TEST_P(HostTest, GivesAndTakesLoseNothing) {
    const char *moves = getenv("HITLESS_SELFTEST_MOVES");
    give_and_take(moves ? atoi(moves) / 2 : 100);
}

/// The other models, where the guest's NICs are out of sight or the standby has become the pair's.
class HostModel : public HostTest {};

TEST_P(HostModel, GivesAndTakesLoseNothing) {
    give_and_take(20);
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

/// It is told, and the host delivers to the standby, before the programs go. Also where the pair
/// has no controller.
TEST_P(HostTest, APairThatIsDetachedLosesNothing) {
    if (!GetParam().real) GTEST_SKIP() << "a stand-in says nothing of a pair that is gone";
    if (GetParam().nic.model != HL_MODEL_TWO) GTEST_SKIP() << "its addresses end with the pair";
    for (const bool controlled : {true, false}) {
        if (!bed().host_runs()) bed().start_host();
        ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
        Traffic traffic(net());
        if (!controlled) bed().pair().kill_controller();
        const Marks from = traffic.mark();
        const Outcome detached = bed().pair().cli({"detach", "standby"});
        EXPECT_EQ(detached.code, 0) << detached.err;
        EXPECT_EQ(detached.err.find("may be lost"), std::string::npos) << detached.err;
        EXPECT_EQ(bed().guest()["downlink"], "standby") << bed().guest().dump();
        ASSERT_TRUE(traffic.pass(500)) << bed().guest().dump();
        const Both got = traffic.since(from);
        traffic.report(controlled ? "detached" : "detached without a controller", got);
        expect_nothing_lost("detached", got);
        if (!controlled) break;
        bed().pair().attach(GetParam().attach);
    }
}

/// Made again as it is, so that nothing but the host's delivery can cost a frame. It has its
/// primary back afterwards.
TEST_P(HostTest, APairThatIsMadeAnewLosesNothing) {
    if (!GetParam().real) GTEST_SKIP() << "a stand-in says nothing of a pair that is gone";
    if (GetParam().nic.model != HL_MODEL_TWO) GTEST_SKIP() << "its addresses end with the pair";
    bed().start_host();
    for (const bool controlled : {true, false}) {
        ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
        if (!controlled) bed().pair().kill_controller();
        Traffic traffic(net());
        const Marks from = traffic.mark();
        const Outcome made = bed().pair().cli({"convert", "standby", "--model", "two", "--gap"});
        EXPECT_EQ(made.code, 0) << made.shown();
        EXPECT_EQ(made.err.find("may be lost"), std::string::npos) << made.err;
        ASSERT_TRUE(traffic.pass(500)) << bed().guest().dump();
        if (controlled) {
            EXPECT_TRUE(until([&] { return bed().settled(true); })) << bed().guest().dump();
        }
        ASSERT_TRUE(traffic.pass(500));
        const Both got = traffic.since(from);
        traffic.report(controlled ? "made anew" : "made anew without a controller", got);
        expect_nothing_lost("made anew", got);
    }
}

/// Then it says so, and the way out that it names leads out.
TEST_P(HostTest, APairThatIsDetachedWithoutAHostSaysWhatMayBeLost) {
    if (GetParam().nic.kind != NicKind::tap)
        GTEST_SKIP() << "a detached veth takes its port's carrier along, and the entry with it";
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    bed().stop_host();
    bed().pair().kill_controller();
    const auto says = [&](const char *command, const char *words) {
        return bed().pair().cli({command, "standby"}).out.find(words) != std::string::npos;
    };
    EXPECT_TRUE(until([&] { return says("explain", "(`hitless run`; none runs now)"); }));
    EXPECT_TRUE(says("status", "no controller hears it"));
    const Outcome detached = bed().pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.err;
    EXPECT_NE(detached.err.find("may be lost"), std::string::npos) << detached.err;
    const std::string way_out = fmt::format("bridge fdb del {} dev ", Testbed::mac);
    EXPECT_NE(detached.err.find(way_out), std::string::npos) << detached.err;
    spawn({"bridge", "-n", net().switch_ns().name(), "fdb", "del", Testbed::mac, "dev",
           "sw-primary", "master"});
    Traffic traffic(net());
    EXPECT_TRUE(traffic.pass(500));
}

/// It tells the host before the pair ends with it.
TEST_P(HostTest, APairThatLosesItsFailoverDeviceIsDeliveredToByItsStandby) {
    if (GetParam().nic.model == HL_MODEL_TWO) GTEST_SKIP() << "it has none";
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    spawn({"ip", "-n", bed().pair().guest().name(), "link", "del", bed().pair().master()});
    EXPECT_TRUE(until([&] { return bed().guest()["downlink"] == "standby"; }))
        << bed().guest().dump();
}

/// Nobody of ours is there to say so, in the guest or on the host: the port's carrier says it.
TEST_P(HostTest, APrimaryThatGoesIsLeftThoughOneSideIsDead) {
    for (const bool guest : {true, false}) {
        if (!bed().host_runs()) bed().start_host();
        ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
        Traffic traffic(net());
        if (guest && GetParam().real)
            bed().pair().kill_controller();
        else if (guest)
            bed().silence(true);
        else
            bed().stop_host();
        bed().pair().primary().carrier(false);
        EXPECT_TRUE(traffic.pass(500)) << (guest ? "the guest is" : "the daemon is") << " dead";
        bed().pair().primary().carrier(true);
        bed().silence(false);
        if (guest && GetParam().real) bed().pair().start_controller();
    }
}

TEST_P(HostTest, ASilentGuestIsLeftAtTheDeadline) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    bed().silence(true);
    const Marks from = traffic.mark();
    const std::uint64_t start = now_ns();
    ASSERT_TRUE(bed().request(false));
    ASSERT_TRUE(until([&] { return bed().guest()["downlink"] == "standby"; }));
    const double took = static_cast<double>(now_ns() - start) / 1e6;
    figure("a silent guest's downlink moved after", took);
    EXPECT_GE(took, 250) << "it is given its time";
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("silent guest", got);
    expect_nothing_lost("silent guest", got); // it receives by both
    EXPECT_EQ(bed().guest()["overdue"], true);
    bed().silence(false);
    ASSERT_TRUE(until([&] { return bed().settled(false); }));
}

/// Lost on the tap: what the host says behind our own program, what the guest says before it.
TEST_P(HostTest, AThirdOfTheMessagesEachWayLostItIsReachedAllTheSame) {
    bed().start_host();
    ASSERT_TRUE(bed().carry_out(true)) << bed().guest().dump();
    Traffic traffic(net());
    const auto sent = [&] { return bed().guest()["counters"]["sent"].get<std::uint64_t>(); };
    constexpr unsigned moves = 20;
    const auto move_often = [&] {
        const std::uint64_t before = sent();
        for (unsigned i = 0; i < moves; i++)
            EXPECT_TRUE(bed().carry_out(i % 2 != 0)) << bed().guest().dump();
        return sent() - before;
    };
    const std::uint64_t whole = move_often();
    const Fd loser = tc_loser(HL_CHANNEL_ETHERTYPE, 30, "loser");
    const std::string &tap = net().standby().port();
    const Netns &host = net().switch_ns();
    const Fd down = attach_tcx(host, tap, TcxSide::egress, loser.get()),
             up = attach_tcx(host, tap, TcxSide::ingress, loser.get(), TcxOrder::first);
    ASSERT_TRUE(loser && down && up) << strerror(errno);
    const Marks from = traffic.mark();
    const std::uint64_t lossy = move_often();
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    fmt::print("  messages of the host for {} moves: {}, and {} with 30 % lost each way\n", moves,
               whole, lossy);
    EXPECT_GT(lossy, whole) << "some were said again";
    traffic.report("30 % of the messages lost each way", got);
    expect_nothing_lost("30 % of the messages lost each way", got);
}

INSTANTIATE_TEST_SUITE_P(Guest, HostTest,
                         testing::Values(Guest{"veth", NicKind::veth}, Guest{"tap", NicKind::tap},
                                         Guest{"vethStandIn", NicKind::veth, false},
                                         Guest{"vethXdp",
                                               {NicKind::veth, HL_MODEL_THREE},
                                               true,
                                               {"--datapath", "xdp", "--checksums-complete",
                                                "--hold-down", "20"}}),
                         [](const auto &guest) { return std::string(guest.param.name); });

INSTANTIATE_TEST_SUITE_P(Guest, HostModel,
                         testing::Values(Guest{"hiddenTap", {NicKind::tap, HL_MODEL_HIDDEN}},
                                         Guest{"oneVeth", {NicKind::veth, HL_MODEL_ONE}}),
                         [](const auto &guest) { return std::string(guest.param.name); });

/// Each speaks by its own standby: what is requested of one pair moves the guest's other one not at
/// all.
TEST(HostTwoPairs, OfOneGuestAreGivenAndTakenEachForItself) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    constexpr auto other = "web2", mac = "52:54:00:77:00:12";
    HostBed bed(NicKind::veth, true);
    Pair &pair = bed.pair();
    const std::string &guest = pair.guest().name(), &host = pair.bed().switch_ns().name();
    for (const std::string nic : {"standby2", "primary2"}) {
        spawn({"ip", "-n", host, "link", "add", "sw-" + nic, "type", "veth", "peer", "name", nic,
               "address", mac, "netns", guest});
        spawn({"ip", "-n", host, "link", "set", "sw-" + nic, "master", "br0", "up"});
        spawn({"ip", "-n", guest, "link", "set", nic, "up"});
    }
    bed.describe(fmt::format("[[guest]]\nname = \"{}\"\nmac = \"{}\"\nstandby = \"sw-standby2\"\n"
                             "primary = {{ port = \"sw-primary2\" }}\n",
                             other, mac));
    const Outcome made = pair.cli({"attach", "standby2", "--primary", "mac", "--hold-down", "20"});
    ASSERT_EQ(made.code, 0) << made.shown();
    const auto of_other = [&] {
        return Json::parse(pair.cli({"status", "standby2", "-j"}).out)["pairs"][0];
    };
    bed.start_host();
    for (const char *name : {HostBed::guest_name, other})
        ASSERT_TRUE(bed.carry_out(true, name)) << bed.guest(name).dump();
    Traffic traffic(pair.bed());
    const auto flips = pair.status()["flips"];
    const Marks from = traffic.mark();
    for (int i = 0; i < 10; i++) {
        ASSERT_TRUE(bed.carry_out(i % 2 != 0, other)) << bed.guest(other).dump();
        EXPECT_EQ(of_other()["active"], i % 2 ? "primary" : "standby");
        EXPECT_EQ(pair.active(), "primary");
        EXPECT_TRUE(bed.settled(true));
    }
    EXPECT_EQ(pair.status()["flips"], flips);
    const auto flips_of_other = of_other()["flips"];
    for (const bool give : {false, true}) {
        ASSERT_TRUE(bed.carry_out(give)) << bed.guest().dump();
        ASSERT_TRUE(traffic.pass(500));
        EXPECT_EQ(pair.active(), give ? "primary" : "standby");
        EXPECT_EQ(of_other()["active"], "primary");
    }
    EXPECT_EQ(of_other()["flips"], flips_of_other);
    const Both got = traffic.since(from);
    traffic.report("two pairs, moved in turn", got);
    expect_nothing_lost("two pairs, moved in turn", got);
}

/// As many system calls as a give and a take make are counted, and one of the two who carry it out
/// dies at each (or, here, at a share of them; HITLESS_SELFTEST_EVERY_CALL=1 is thorough).
class HostKilled : public testing::Test {
  protected:
    void SetUp() override {
        HL_NEEDS_KERNEL(6, 6, "tcx");
        bed_ = std::make_unique<HostBed>(NicKind::veth, true);
        bed_->start_host();
    }
    struct Victim {
        const char *name;
        std::function<pid_t()> pid;
        std::function<void()> kill, start;
        std::function<bool(bool give)> done; ///< asks somebody else
    };
    void at_each_call(const Victim &);

    std::unique_ptr<HostBed> bed_;

  private:
    unsigned dies_at_each_call(const Victim &, Traffic &, bool give);
    unsigned run_under_request(const Victim &, unsigned calls, bool give,
                               const std::function<bool()> &over = nullptr);

    std::atomic<bool> confirmed_{false}; ///< the daemon answered the last request
};

/// The request is made as it is watched: who is then killed may be the one that answers.
unsigned HostKilled::run_under_request(const Victim &victim, unsigned calls, bool give,
                                       const std::function<bool()> &over) {
    std::jthread requesting;
    confirmed_ = false;
    const unsigned made = run_to_call(
        victim.pid(), calls,
        [&] { requesting = std::jthread([this, give] { confirmed_ = bed_->request(give); }); },
        over);
    victim.kill();
    requesting.join();
    return made;
}

unsigned HostKilled::dies_at_each_call(const Victim &victim, Traffic &traffic, bool give) {
    constexpr unsigned share = 12;
    const unsigned calls =
        run_under_request(victim, 100'000, give, [&] { return confirmed_ && victim.done(give); });
    victim.start();
    EXPECT_GT(calls, 20U);
    const bool thorough = getenv("HITLESS_SELFTEST_EVERY_CALL") != nullptr;
    unsigned kills = 0, unconfirmed = 0;
    bool answered = false; // the last one dies as soon as the request is answered
    for (unsigned at = 1; !answered; at += thorough ? 1 : std::max(1U, calls / share), kills++) {
        answered = at > calls;
        const std::string what = answered ? fmt::format("{} killed after the answer", victim.name)
                                          : fmt::format("{} killed at call {} of a {}", victim.name,
                                                        at, give ? "give" : "take");
        EXPECT_TRUE(bed_->carry_out(!give)) << what << "\n" << bed_->guest().dump();
        const Marks from = traffic.mark();
        if (answered)
            run_under_request(victim, 100'000, give, [&] { return confirmed_.load(); });
        else
            run_under_request(victim, at, give);
        EXPECT_TRUE(confirmed_ || !answered) << what;
        EXPECT_TRUE(traffic.pass(100)) << what;
        victim.start();
        if (!confirmed_) unconfirmed += bed_->request(give); // as an administrator would: again
        EXPECT_TRUE(until([&] { return bed_->settled(give); }))
            << what << (confirmed_ ? ", after its answer\n" : "\n") << bed_->guest().dump();
        EXPECT_TRUE(traffic.pass(100)) << what;
        expect_nothing_lost(what, traffic.since(from));
        if (HasFailure()) break;
    }
    EXPECT_LT(unconfirmed, kills) << "some died after their answer";
    fmt::print("  {}: a {} makes {} entries and exits of system calls; requested again {} times\n",
               victim.name, give ? "give" : "take", calls, unconfirmed);
    return kills;
}

void HostKilled::at_each_call(const Victim &victim) {
    ASSERT_TRUE(bed_->carry_out(true)) << bed_->guest().dump();
    Traffic traffic(bed_->pair().bed());
    unsigned kills = dies_at_each_call(victim, traffic, false);
    if (!HasFailure()) kills += dies_at_each_call(victim, traffic, true);
    figure("killed", kills, "");
}

TEST_F(HostKilled, TheDaemonAtAnyCallTheNextOneGoesOn) {
    at_each_call(
        {"the daemon", [&] { return bed_->host().pid(); }, [&] { bed_->stop_host(); },
         [&] { bed_->start_host(); },
         [&](bool give) { return bed_->pair().active() == (give ? "primary" : "standby"); }});
}

TEST_F(HostKilled, TheGuestsControllerAtAnyCallTheNextOneGoesOn) {
    Pair &pair = bed_->pair();
    at_each_call({"the guest's controller", [&] { return pair.controller().pid(); },
                  [&] { pair.kill_controller(); }, [&] { pair.start_controller(); },
                  [&](bool give) { return bed_->settled(give); }});
}

} // namespace
} // namespace hitless::selftest
