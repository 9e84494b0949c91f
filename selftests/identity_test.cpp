// SPDX-License-Identifier: BSD-2-Clause
//
// Who a NIC is: not its name, not its index alone. And settings that drift apart.
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

#include <csignal>
#include <net/if.h>

namespace hitless::selftest {
namespace {

class Identity : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    /// Another device under the primary's index; says nothing of its own accord.
    static void plug_another(const Netns &where, unsigned index, const std::string &mac) {
        where.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        ip_batch(where.name(),
                 fmt::format("link add index {} name foreign address {} type veth peer name peer "
                             "index 900\n" // no number that a NIC has, or had
                             "link set dev peer up\nlink set dev foreign up\n",
                             index, mac));
        ASSERT_EQ(in_netns(where, [] { return if_nametoindex("foreign"); }), index);
        const auto shown = [&] {
            return run({"ip", "-n", where.name(), "link", "show", "dev", "foreign"}).out;
        };
        ASSERT_TRUE(until([&] { return shown().find("LOWER_UP") != std::string::npos; }));
    }
    void plug_another(unsigned index, const std::string &mac) {
        plug_another(bed().guest(), index, mac);
    }
    void unplug_another() { ip_batch(bed().guest().name(), "link del dev foreign\n"); }
    std::uint64_t frames_at_peer() { return frames_at_peer(bed().guest()); }
    static std::uint64_t frames_at_peer(const Netns &where) {
        const std::string all =
            spawn({"ip", "-n", where.name(), "-s", "-j", "link", "show", "dev", "peer"});
        return Json::parse(all)[0]["stats64"]["rx"]["packets"];
    }
    void give_standby_its_addresses() {
        ip_batch(bed().guest().name(),
                 fmt::format("link set dev standby up\naddr add {}/24 broadcast + dev standby\n",
                             Testbed::guest4));
    }
};

constexpr const char *another_mac = "52:54:00:99:00:01";

TEST_P(Identity, NeitherNameMatters) {
    HL_NEEDS_KERNEL(6, 2, "renaming what is up");
    pair().start_controller();
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    bed().primary().rename("vf7");
    ip_batch(bed().guest().name(), "link set dev standby name eth7\n");
    ASSERT_EQ(pair().link("standby"), "");
    ASSERT_TRUE(traffic.pass(500));
    const Outcome o = pair().cli({"status", "eth7"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_NE(o.out.find("vf7"), std::string::npos) << o.shown();
    const Outcome s = pair().cli({"switch", "eth7", "standby", "--wait"});
    EXPECT_EQ(s.code, 0) << s.shown();
    EXPECT_EQ(pair().cli({"switch", "eth7", "auto", "--wait"}).code, 0);
    ASSERT_TRUE(traffic.pass(500));
    expect_nothing_lost("rename", traffic.since(from));
    EXPECT_EQ(pair().cli({"detach", "eth7"}).code, 0);
}

TEST_P(Identity, NoFrameToAnotherDeviceUnderTheSameIndex) {
    Traffic traffic(bed());
    for (const bool living : {false, true}) {
        if (living) pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        const unsigned index = bed().primary().ifindex();
        const Marks from = traffic.mark();
        bed().primary().remove();
        plug_another(index, another_mac);
        ASSERT_TRUE(traffic.pass(1000));
        EXPECT_EQ(frames_at_peer(), 0U) << (living ? "controller alive" : "no controller");
        EXPECT_EQ(pair().active(), "standby");
        const Both got = traffic.since(from);
        traffic.report("index reused", got);
        expect_lost_at_most("up", got.up, 1 + pair().left_behind(traffic, got));
        unplug_another();
        bed().primary().add();
        if (!living) {
            ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
            pair().attach();
        }
    }
}

// No frame finds the primary dead: nothing is latched, and the other device may even lie at the
// same address in the kernel.
TEST_P(Identity, NoFrameToAnotherDeviceThatCameInSilence) {
    for (int i = 0; i < 20; ++i) {
        const unsigned index = bed().primary().ifindex();
        bed().primary().remove();
        plug_another(index, another_mac);
        {
            Flow up(bed().guest(), bed().far(), {.from = Testbed::guest4, .to = Testbed::far4});
            up.start();
            EXPECT_TRUE(until([&] { return up.receiver().seen() > 20; })) << "black hole";
        }
        ASSERT_EQ(frames_at_peer(), 0U) << "round " << i;
        unplug_another();
        bed().primary().add();
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
}

TEST_P(Identity, AnotherDeviceThatCameWhileTheControllerSlept) {
    pair().start_controller();
    Traffic traffic(bed());
    const unsigned index = bed().primary().ifindex();
    const Marks from = traffic.mark();
    pair().controller().signal(SIGSTOP);
    bed().primary().remove();
    plug_another(index, another_mac);
    ASSERT_TRUE(traffic.pass(200));
    pair().controller().signal(SIGCONT);
    ASSERT_TRUE(traffic.pass(2000));
    EXPECT_EQ(frames_at_peer(), 0U);
    EXPECT_EQ(pair().active(), "standby");
    const Both got = traffic.since(from);
    expect_lost_at_most("up", got.up, 1 + pair().left_behind(traffic, got));
    unplug_another();
    bed().guest().sysctl("net/ipv6/conf/default/disable_ipv6", "0");
    bed().primary().add();
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
}

TEST_P(Identity, MovedAwayAndBroughtUpUnderTheSameIndex) {
    pair().start_controller();
    pair().kill_controller();
    Traffic traffic(bed());
    const unsigned index = bed().primary().ifindex();
    const Marks from = traffic.mark();
    bed().primary().move_to(bed().elsewhere());
    bed().elsewhere().sysctl("net/ipv6/conf/primary/disable_ipv6", "1");
    bed().primary().admin(true);
    ASSERT_EQ(bed().primary().ifindex(), index) << "the kernel gave it another: nothing was proved";
    const auto sent_before = bed().primary().counters().tx;
    ASSERT_TRUE(traffic.pass(1000));
    EXPECT_EQ(bed().primary().counters().tx, sent_before);
    const Both got = traffic.since(from);
    traffic.report("same index elsewhere", got);
    expect_lost_at_most("up", got.up, 1);
    bed().primary().move_to(bed().guest());
    bed().primary().admin(true); // a move takes it down, and nobody saw it
    pair().start_controller();
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
}

/// With its hooks: tcx links go where their device goes, and another device has the primary's
/// number there.
TEST_P(Identity, NoFrameToAnotherDeviceWhereTheStandbyWent) {
    const Netns &there = bed().elsewhere();
    plug_another(there, bed().primary().ifindex(), another_mac);
    bed().standby().move_to(there);
    there.sysctl("net/ipv6/conf/standby/disable_ipv6", "1");
    bed().standby().admin(true);
    ASSERT_TRUE(until([&] {
        return run({"ip", "-n", there.name(), "link", "show", "dev", "standby"})
                   .out.find("LOWER_UP") != std::string::npos;
    }));
    const auto at_peer = frames_at_peer(there), sent = bed().standby().counters().tx;
    PacketSocket out = in_netns(there, [] { return PacketSocket("standby"); });
    auto frame = from_hex("525400770001 525400770002 88b5");
    frame.resize(60);
    for (int i = 0; i < 100; ++i)
        out.send(frame);
    EXPECT_TRUE(until([&] { return bed().standby().counters().tx >= sent + 100; }))
        << "they left by another device than the one they were sent from";
    EXPECT_EQ(frames_at_peer(there), at_peer);
    bed().standby().move_to(bed().guest());
    give_standby_its_addresses();
    pair().start_controller(); // the pair was never taken apart
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
}

/// The pair ends with its standby, the primary is its own again; both are paired anew when it is
/// back.
TEST_P(Identity, TheStandbyMovedAwayAndBack) {
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    const std::string before = pair().link("primary");
    pair().start_controller({"--config", pair().config("auto_pair = false\n[[pair]]\nstandby = "
                                                       "\"standby\"\nprimary = \"mac\"\n"
                                                       "hold_down_ms = 20\n")});
    ASSERT_TRUE(pair().becomes("primary")) << pair().controller().out();
    bed().standby().move_to(bed().elsewhere());
    ASSERT_EQ(pair().link("standby"), "");
    EXPECT_TRUE(pair().controller_says("the pair ends"));
    EXPECT_TRUE(until([&] { return pair().cli({"status"}).code == 3; }));
    EXPECT_TRUE(until([&] { return pair().link("primary") == before; })) << pair().link("primary");
    bed().standby().move_to(bed().guest());
    const auto back = now_ns();
    give_standby_its_addresses();
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
    fmt::print("  paired anew and used {:.0f} ms after it was back\n",
               static_cast<double>(now_ns() - back) / 1e6);
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
}

TEST_P(Identity, AnotherMacIsHeldAndSaid) {
    pair().start_controller();
    Traffic traffic(bed());
    Marks from = traffic.mark();
    bed().primary().mac(another_mac);
    EXPECT_TRUE(until([&] { return pair().veto().contains("mac"); }));
    ASSERT_TRUE(traffic.pass(500));
    expect_lost_at_most("up", traffic.since(from).up, 0);
    EXPECT_EQ(pair().active(), "standby");
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    from = traffic.mark();
    bed().primary().mac(Testbed::mac);
    EXPECT_TRUE(pair().becomes("primary"));
    ASSERT_TRUE(traffic.pass(500));
    expect_nothing_lost("MAC given back", traffic.since(from));
}

TEST_P(Identity, MtuFollowsOrIsRefused) {
    pair().start_controller();
    for (const unsigned mtu : {2000U, 3506U, 9000U, 1500U}) {
        bed().mtu(9000); // the network carries all
        ip_batch(bed().guest().name(), fmt::format("link set dev standby mtu {}\n", mtu));
        const auto agrees = [&] {
            const Json s = pair().status();
            return s["primary"]["mtu"] >= mtu || pair().veto().contains("mtu");
        };
        EXPECT_TRUE(until(agrees)) << mtu << "\n" << pair().cli({"status"}).out;
        Traffic traffic(bed(), 2'000, mtu - 28);
        const Marks from = traffic.mark();
        ASSERT_TRUE(traffic.pass(200));
        ip_batch(bed().guest().name(),
                 fmt::format("link set dev primary mtu {}\n", 1400)); // behind our back
        EXPECT_TRUE(until(agrees)) << mtu << "\n" << pair().cli({"status"}).out;
        const Marks settled = traffic.mark();
        ASSERT_TRUE(traffic.pass(500));
        expect_nothing_lost("after an MTU change", traffic.since(settled));
        traffic.report(fmt::format("MTU {}", mtu), traffic.since(from));
    }
}

HL_INSTANTIATE(Identity);

} // namespace
} // namespace hitless::selftest
