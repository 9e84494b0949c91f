// SPDX-License-Identifier: BSD-2-Clause
//
// `status` says healthy where that was seen, and nowhere else: each harm is done to a pair without
// a controller, asked of the kernel, and must be named with the command that mends it, which is
// run.
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "selftests/pins.hpp"

#include <csignal>

namespace hitless::selftest {
namespace {

class Healthy : public PairTest {
  protected:
    void start() {
        pair().primary().admin(true);
        ASSERT_NO_FATAL_FAILURE(pair().attach());
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
        ASSERT_TRUE(healthy()) << shown();
    }
    bool healthy() const { return pair_->cli({"status", "standby"}).code == 0; }
    std::string shown() const { return pair_->cli({"status", "standby"}).out; }
    std::string problems() const {
        std::string all;
        const Json status = pair_->status(); // outlives the loop
        for (const Json &problem : status.at("problems"))
            all += problem.get<std::string>() + "\n";
        return all;
    }
    /// By somebody at the guest's console.
    std::string guest(const std::string &command) const {
        const Outcome o = run({"ip", "netns", "exec", pair_->guest().name(), "sh", "-c", command});
        EXPECT_EQ(o.code, 0) << command << ": " << o.shown();
        return o.out;
    }
    /// The harm is named, doctor knows the mend, and it mends.
    void expect_named(const std::string &words, const std::string &mend) {
        EXPECT_EQ(pair().cli({"status"}).code, 2) << words;
        EXPECT_NE(problems().find(words), std::string::npos) << words << " in:\n" << problems();
        EXPECT_NE(problems().find(mend), std::string::npos) << mend << " in:\n" << problems();
        const Outcome doctor = pair().cli({"doctor", "-j"});
        EXPECT_NE(doctor.code, 0);
        EXPECT_NE(doctor.out.find(mend), std::string::npos) << mend << " in:\n" << doctor.out;
    }
    void expect_hole_left_from_the_start(const std::string &far);
    void expect_mended_by(const std::string &words, const std::string &mend) {
        expect_named(words, mend);
        guest(mend);
        EXPECT_TRUE(until([&] { return healthy(); })) << words << ":\n" << shown();
    }
};

TEST_P(Healthy, AddressesOnThePrimaryAreRefusedWithTheWayOut) {
    guest("ip link set primary up; ip addr add 10.77.0.2/24 dev primary");
    // Not IPv6: its duplicate detection goes on meanwhile, and fails on a twin.
    const std::string before = guest("ip -4 addr; ip route; ip -d link");
    const Outcome refused = pair().cli({"attach", "standby", "--primary", "primary"});
    EXPECT_EQ(refused.code, 1) << refused.shown();
    EXPECT_NE(refused.err.find("ip addr flush dev primary"), std::string::npos) << refused.err;
    EXPECT_EQ(guest("ip -4 addr; ip route; ip -d link"), before) << "all is as it was";
    guest("ip addr flush dev primary");
    start();
}

TEST_P(Healthy, AddressesThatComeLaterAreNamed) {
    start();
    for (const std::string address : {"10.77.0.9/24", "fd77::9/64"}) {
        guest("ip addr add " + address + " dev primary");
        expect_mended_by("primary has addresses of its own (" + address + ")",
                         "ip addr flush dev primary");
    }
    EXPECT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
}

TEST_P(Healthy, RoutesAndRulesByThePrimaryAreNamed) {
    start();
    guest("ip route add 203.0.113.0/24 dev primary");
    expect_mended_by("the route to 203.0.113.0/24 leads by primary",
                     "ip -4 route del 203.0.113.0/24 dev primary");
    guest("ip route add 203.0.113.0/24 nexthop dev primary nexthop dev standby");
    expect_mended_by("the route to 203.0.113.0/24 leads by primary",
                     "ip -4 route del 203.0.113.0/24");
    guest("ip -6 route add fd99::/64 dev primary table 99");
    expect_mended_by("the route to fd99::/64 table 99 leads by primary",
                     "ip -6 route del fd99::/64 table 99 dev primary");
    guest("sysctl -qw net.ipv4.nexthop_compat_mode=0; ip nexthop add id 5 dev primary; "
          "ip nexthop add id 6 dev standby; ip nexthop add id 7 group 5/6");
    for (const std::string id : {"5", "7"}) {
        guest("ip route add 203.0.113.0/24 nhid " + id);
        expect_mended_by("the route to 203.0.113.0/24 leads by primary",
                         "ip -4 route del 203.0.113.0/24");
    }
    guest("ip route add 203.0.113.0/24 nhid 6");
    EXPECT_TRUE(healthy()) << shown();
    guest("ip -6 route add ff05::/16 dev primary");
    expect_mended_by("the route to ff05::/16 leads by primary",
                     "ip -6 route del ff05::/16 dev primary");
    guest("ip rule add oif primary lookup 99");
    expect_named("policy rules name primary", "ip rule");
    guest("ip rule del oif primary lookup 99");
    EXPECT_TRUE(healthy()) << shown();
}

TEST_P(Healthy, WhatStandsOnThePrimaryIsNamed) {
    start();
    guest("ip link add mv0 link primary type macvlan");
    expect_mended_by("mv0 stands on primary", "ip link del mv0");
    guest("ip link add br9 type bridge; ip link set primary master br9");
    expect_mended_by("primary belongs to ", "ip link set primary nomaster");
}

TEST_P(Healthy, AMasterThatOutgrowsItsPrimaryIsNamed) {
    start();
    guest("ip link set standby mtu 9000");
    expect_mended_by("primary carries frames up to 1500, and standby sends up to 9000",
                     "ip link set primary mtu 9000");
    guest("ip link set standby address 52:54:00:77:00:99");
    expect_mended_by("primary has another MAC than standby",
                     "ip link set primary address 52:54:00:77:00:99");
}

TEST_P(Healthy, WhatThePrimaryFollowsNoMoreIsNamed) {
    start();
    guest("ip link set standby txqueuelen 77");
    expect_mended_by("tx-queue-length", "ip link set primary txqueuelen 77");
    guest("ip link set standby promisc on");
    expect_mended_by("promiscuous-mode", "ip link set primary promisc on");
    guest("ip link set standby promisc off");
    guest("ip link set primary allmulticast off");
    expect_mended_by("multicast", "ip link set primary allmulticast on");
    guest("ip link set primary addrgenmode eui64");
    expect_mended_by("primary makes IPv6 addresses of its own",
                     "ip link set primary addrgenmode none");
    guest("sysctl -w net.ipv4.conf.primary.arp_ignore=0");
    expect_mended_by("arp-silence", "sysctl -w net/ipv4/conf/primary/arp_ignore=8");
    guest("ip link set primary promisc off; ip link add mv0 link standby type macvlan; "
          "ip link set mv0 up");
    expect_mended_by("primary does not let through what VLANs and macvlans on standby receive",
                     "ip link set primary promisc on");
}

TEST_P(Healthy, AControllerKeepsThePrimaryInLineWithoutAWord) {
    start();
    pair().start_controller();
    guest("ip link set standby mtu 9000 txqueuelen 77 promisc on");
    EXPECT_TRUE(until([&] { return healthy(); })) << shown();
    EXPECT_NE(guest("ip link show primary").find("mtu 9000"), std::string::npos);
}

TEST_P(Healthy, AFallbackThatIsNoneIsNamed) {
    start();
    bed().standby().carrier(false);
    ASSERT_TRUE(until([&] { return !pair().has_carrier("standby"); }));
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    EXPECT_NE(problems().find("no fallback: the standby standby has no carrier"), std::string::npos)
        << problems();
    EXPECT_NE(problems().find("IPv6 addresses stay tentative"), std::string::npos) << problems();
    pair().primary().admin(false);
    ASSERT_TRUE(until([&] { return pair().active() == "standby"; }));
    EXPECT_NE(problems().find("no path"), std::string::npos) << problems();
    const std::string why = pair().cli({"explain", "standby"}).out;
    EXPECT_NE(why.find("Frames leave by neither NIC"), std::string::npos) << why;
    bed().standby().carrier(true);
    EXPECT_TRUE(until([&] { return problems().find("no path") == std::string::npos; }));
}

TEST_P(Healthy, AFallbackThatAnOperatorMadeOfThePrimaryIsWatchedToo) {
    start();
    EXPECT_EQ(pair().cli({"switch", "standby", "standby", "--wait"}).code, 0);
    EXPECT_TRUE(healthy()) << shown();
    pair().primary().admin(false);
    expect_mended_by("no fallback: the standby is in use, and the primary primary is down",
                     "ip link set primary up");
}

TEST_P(Healthy, AControllerThatIsStoppedIsNamed) {
    start();
    const pid_t pid = pair().start_controller().pid();
    EXPECT_TRUE(until([&] { return healthy(); })) << shown();
    ASSERT_EQ(kill(pid, SIGSTOP), 0);
    ASSERT_TRUE(until([&] { return !healthy(); })) << "it is stopped, and nobody says so";
    expect_mended_by("is stopped", fmt::format("kill -CONT {}", pid));
}

/// The guest has never spoken to anybody, and the primary leads nowhere.
void Healthy::expect_hole_left_from_the_start(const std::string &far) {
    pair().primary().blackhole(Direction::both, true);
    pair().primary().admin(true);
    ASSERT_NO_FATAL_FAILURE(pair().attach());
    ASSERT_TRUE(pair().becomes("primary")) << "nobody can be asked yet";
    EXPECT_FALSE(pair().status().at("proved").get<bool>());
    EXPECT_NE(pair().cli({"explain", "standby"}).out.find("It was never proved"),
              std::string::npos);
    EXPECT_FALSE(ping(bed().guest(), far, 300ms)) << "there is no hole";
    EXPECT_FALSE(healthy()) << "the guest looks for a neighbour in vain\n" << shown();
    pair().start_controller();
    unsigned pings = 1;
    while (!ping(bed().guest(), far, 1s) && pings < 25)
        pings++;
    EXPECT_LE(pings, 3U) << shown();
    EXPECT_EQ(pair().active(), "standby");
    pair().primary().blackhole(Direction::both, false);
    EXPECT_TRUE(pair().becomes("primary")) << shown();
    EXPECT_TRUE(pair().status().at("proved").get<bool>());
    EXPECT_TRUE(healthy()) << shown();
}

TEST_P(Healthy, AGuestThatStartsBehindAHoleLeavesIt) {
    expect_hole_left_from_the_start(Testbed::far4);
}

TEST_P(Healthy, AGuestThatStartsBehindAHoleLeavesItByIpv6) {
    ASSERT_TRUE(bed().addresses_ready());
    expect_hole_left_from_the_start(Testbed::far6);
}

/// What proved it is dead, and the guest sees for itself that nobody answers.
TEST_P(Healthy, APathThatWasProvedAndHasNoControllerIsNoProof) {
    start();
    pair().start_controller();
    ASSERT_TRUE(until([&] { return pair().status().at("proved").get<bool>(); })) << shown();
    pair().kill_controller();
    pair().primary().blackhole(Direction::both, true);
    EXPECT_FALSE(ping(bed().guest(), Testbed::far4, 300ms)) << "there is no hole";
    guest("ip neigh flush dev standby"); // as the kernel does by itself some seconds later
    EXPECT_TRUE(until([&] {
        ping(bed().guest(), Testbed::far4, 100ms);
        return !healthy();
    })) << shown();
    EXPECT_NE(problems().find("no controller asks"), std::string::npos) << problems();
    pair().primary().blackhole(Direction::both, false);
    EXPECT_TRUE(until([&] {
        ping(bed().guest(), Testbed::far4, 100ms);
        return healthy();
    })) << shown();
}

TEST_P(Healthy, ANeighbourThatIsNotThereIsNoFaultOfThePrimary) {
    start();
    pair().start_controller();
    guest("ip neigh flush dev standby; ip addr flush dev standby; ip addr add 10.77.0.2/24 dev "
          "standby");
    const std::uint64_t flips = pair().status().at("flips").get<std::uint64_t>();
    for (int i = 0; i < 3; i++)
        EXPECT_FALSE(ping(bed().guest(), "10.77.0.200", 1s));
    EXPECT_EQ(pair().active(), "primary");
    EXPECT_LE(pair().status().at("flips").get<std::uint64_t>(), flips + 2)
        << "one trial of the standby, and back";
}

HL_INSTANTIATE(Healthy);

/// The NICs that serve a failover device have a master of their own.
class HealthyModels : public Healthy {
  protected:
    /// The other end of a failover device, where it is one of a veth: netkit takes frames of any
    /// length.
    std::string inner_veth() const {
        const std::string there = pair_->private_netns();
        if (there.empty()) return "";
        const std::string link = guest("ip netns exec " + there + " ip -d link show hl-inner");
        return link.find("veth") == std::string::npos ? "" : "hl-inner";
    }
};

TEST_P(HealthyModels, ANicThatCarriesLessThanItsMasterIsNamed) {
    start();
    guest("ip link set " + pair().master() + " mtu 9000");
    const std::string there = pair().private_netns();
    const std::string in = there.empty() ? "" : "ip netns exec " + there + " ";
    for (const std::string nic : {"primary", "standby"})
        if (nic == "primary" || pair().model_row().has_failover)
            expect_named(nic + " carries frames up to 1500",
                         in + "ip link set " + nic + " mtu 9000");
    if (const std::string inner = inner_veth(); !inner.empty())
        expect_named(inner + " carries frames up to 1500",
                     in + "ip link set " + inner + " mtu 9000");
    pair().start_controller();
    EXPECT_TRUE(until([&] { return healthy(); })) << shown();
    bed().mtu(9000); // the network carries them, too
    EXPECT_TRUE(until([&] { return healthy(); })) << shown();
    Traffic traffic(bed(), 500, 9000 - 28);
    const Marks from = traffic.mark();
    ASSERT_TRUE(traffic.pass(100));
    expect_nothing_lost("as long as the device that the guest uses takes", traffic.since(from));
}

/// The kernel tells nobody of it.
/// Where other sockets than the master's tell of answers.
TEST_P(HealthyModels, AGuestThatStartsBehindAHoleLeavesIt) {
    if (!pair().model_row().has_failover) GTEST_SKIP() << "the test of that name in Healthy";
    expect_hole_left_from_the_start(Testbed::far4);
}

TEST_P(HealthyModels, AProgramThatWasTakenOffComesBack) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    start();
    pair().start_controller();
    for (const std::filesystem::path &pin : pins()) {
        const std::string name = pin.filename();
        if (!name.starts_with("link_") || name.find("xdp") != std::string::npos) continue;
        std::filesystem::remove(pin);
        EXPECT_TRUE(until([&] { return std::filesystem::exists(pin) && healthy(); }))
            << name << ":\n"
            << shown();
    }
    EXPECT_TRUE(pair().controller_says("was taken off and runs again"));
    EXPECT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
}

TEST_P(HealthyModels, ADeviceThatIsDownIsNamed) {
    start();
    const std::string master = pair().master();
    guest("ip link set " + master + " down");
    const std::string mend = "ip link set " + master + " up";
    expect_named(master + " is down: the guest sends and receives nothing by it", mend);
    EXPECT_EQ(problems().find("no fallback"), std::string::npos) << problems();
    const std::string why = pair().cli({"explain", "standby"}).out;
    EXPECT_NE(why.find("No frame leaves: " + master + " is down."), std::string::npos) << why;
    EXPECT_EQ(why.find("  Frames leave"), std::string::npos) << why;
    guest(mend);
    EXPECT_TRUE(until([&] { return healthy(); })) << shown();
}

TEST_P(HealthyModels, TheStandbysOwnSettingsAreWatched) {
    start();
    if (!pair().model_row().has_failover) GTEST_SKIP() << "the standby is the master";
    const std::string there = pair().private_netns();
    const std::string in = there.empty() ? "" : "ip netns exec " + there + " ";
    guest(in + "ip link set standby allmulticast off");
    expect_mended_by("standby does not follow", in + "ip link set standby allmulticast on");
    guest(in + "ip addr add 10.77.0.8/24 dev standby");
    expect_mended_by("standby has addresses of its own", in + "ip addr flush dev standby");
}

TEST_P(HealthyModels, ADeadPairIsNamed) {
    start();
    bed().standby().carrier(false);
    pair().primary().carrier(false);
    EXPECT_TRUE(until([&] { return problems().find("no path") != std::string::npos; }))
        << problems();
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    if (pair().model_row().has_failover) {
        EXPECT_NE(problems().find("keeps its carrier"), std::string::npos) << problems();
    }
}

/// The primary works, and an operator has forbidden it: the standby's loss is no smaller one.
TEST_P(HealthyModels, AStandbyThatIsChosenAndDeadIsNoPath) {
    start();
    EXPECT_EQ(pair().cli({"switch", "standby", "standby", "--wait"}).code, 0);
    bed().standby().carrier(false);
    const std::string words = "and the primary primary is not used (operator): frames get lost";
    EXPECT_TRUE(until([&] { return problems().find(words) != std::string::npos; })) << problems();
    EXPECT_FALSE(ping(bed().guest(), Testbed::far4, 300ms)) << "they do not";
    EXPECT_NE(problems().find("no path"), std::string::npos) << problems();
    expect_named(words, "hitless switch standby auto");
    EXPECT_EQ(pair().cli({"switch", "standby", "auto", "--wait"}).code, 0);
    EXPECT_NE(problems().find("no fallback"), std::string::npos) << problems();
    EXPECT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
}

/// Whether the guest's own device has carrier.
TEST_P(HealthyModels, ItsCarrierFollowsWhenThatIsAskedFor) {
    if (!pair().model_row().has_failover) GTEST_SKIP() << "the standby is the master";
    pair().primary().admin(true);
    ASSERT_NO_FATAL_FAILURE(pair().attach({"--hold-down", "20", "--carrier", "follow"}));
    const auto has_carrier = [&] {
        return run({"ip", "-n", bed().guest().name(), "link", "show", pair().master()})
                   .out.find("LOWER_UP") != std::string::npos;
    };
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    EXPECT_TRUE(has_carrier()) << "one path is enough";
    bed().standby().carrier(false);
    EXPECT_TRUE(until([&] { return !has_carrier(); })) << shown();
    bed().standby().carrier(true);
    EXPECT_TRUE(until([&] { return has_carrier(); })) << shown();
    EXPECT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
    bed().standby().carrier(false);
    ASSERT_TRUE(until([&] { return !has_carrier(); })) << shown();
    pair().kill_controller();
    bed().standby().carrier(true);
    EXPECT_TRUE(until([&] {
        return problems().find("no controller brings it up") != std::string::npos;
    })) << problems();
    pair().start_controller();
    EXPECT_TRUE(until([&] { return has_carrier(); })) << shown();
    bed().standby().carrier(false);
    ASSERT_TRUE(until([&] { return !has_carrier(); })) << shown();
    pair().controller().signal(SIGTERM);
    EXPECT_EQ(pair().controller().wait(5s), 0);
    EXPECT_TRUE(until([&] { return has_carrier(); })) << "it ends as it found it";
}

HL_INSTANTIATE_MODELS(HealthyModels);

} // namespace
} // namespace hitless::selftest
