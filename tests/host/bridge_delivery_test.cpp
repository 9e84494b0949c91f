// SPDX-License-Identifier: BSD-2-Clause
//
// The downlink by a bridge: moved, read back, and everything that belongs to the guest with it.
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "tests/host/bed.hpp"

#include <algorithm>

namespace hitless::test {
namespace {

constexpr Instant any{0};

class BridgeDeliveryTest : public HostBed {
  protected:
    BridgeDeliveryTest() { delivery_ = deliver_by_bridge(rtnl_, spec()); }
    static GuestSpec spec() {
        GuestSpec out;
        out.name = "web1";
        out.mac = *Mac::parse(guest_mac);
        out.standby = "tap1";
        out.primary = "vf1";
        return out;
    }
    const Delivery::State &look() {
        delivery_->look(any);
        return delivery_->state();
    }
    const Delivery::State &move(DataPath to) {
        delivery_->move(to, any);
        return delivery_->state();
    }
    /// What a user's own tool says.
    static std::string fdb(const std::string &mac) {
        return testbed::spawn({"sh", "-c", "bridge fdb show br br0 | grep -i " + mac + " || true"});
    }
    void network_speaks(const std::string &mac) {
        on(far(), "lan")
            .send(testbed::from_hex(mac + "020000000009" + "88b6" + std::string(100, '0')));
    }
    /// While the primary is down, by which nothing can be read.
    bool reaches_standby() {
        testbed::PacketSocket standby = on(guest1(), "standby", 0x88b6);
        network_speaks(guest_mac);
        return standby.next(1000ms).has_value();
    }
    /// Where a frame from the network to the guest comes out.
    std::string arrives(const std::string &mac = guest_mac) {
        testbed::PacketSocket standby = on(guest1(), "standby", 0x88b6),
                              primary = on(guest1(), "primary", 0x88b6);
        network_speaks(mac);
        std::string out;
        if (standby.next(200ms)) out += "standby";
        if (primary.next(50ms)) out += "primary";
        return out;
    }
    void guest_speaks(const std::string &by, const std::string &mac = guest_mac) {
        std::string hex = "020000000009" + mac + "88b6" + std::string(100, '0');
        on(guest1(), by).send(testbed::from_hex(hex));
    }

    Rtnl rtnl_;
    std::unique_ptr<Delivery> delivery_;
};

TEST_F(BridgeDeliveryTest, MovesAndReadsBack) {
    EXPECT_EQ(look(), (Delivery::State{DataPath::standby, false, ""})) << "nothing learnt: to all";
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(arrives(), "primary");
    EXPECT_NE(fdb(guest_mac).find("dev vf1"), std::string::npos);
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
    EXPECT_EQ(arrives(), "standby");
    EXPECT_NE(fdb(guest_mac).find("sticky"), std::string::npos);
}

/// The control: a static entry that is not sticky moves.
TEST_F(BridgeDeliveryTest, WhatIsHeardElsewhereMovesNothing) {
    sh(fmt::format("bridge fdb replace {} dev vf1 master static", guest_mac));
    guest_speaks("standby");
    ASSERT_TRUE(testbed::until([&] { return look().path == DataPath::standby; }));
    move(DataPath::primary);
    guest_speaks("standby");
    EXPECT_EQ(arrives(), "primary");
    EXPECT_EQ(look().path, DataPath::primary);
}

TEST_F(BridgeDeliveryTest, ReleasedItGoesWhereTheGuestIsHeard) {
    move(DataPath::standby);
    delivery_->release();
    EXPECT_EQ(delivery_->state(), (Delivery::State{DataPath::standby, false, ""}));
    EXPECT_EQ(arrives(), "standby") << "no flood meanwhile";
    guest_speaks("primary");
    EXPECT_TRUE(testbed::until([&] { return look().path == DataPath::primary; }));
}

/// As libvirt's macTableManager='libvirt' makes it: it does not age, and floods do not replace it.
TEST_F(BridgeDeliveryTest, AnEntryThatSomebodyElseWroteIsWrittenAgain) {
    const auto is_static = [&] {
        const std::string now = fdb(guest_mac);
        return now.find("dev tap1") != std::string::npos &&
               now.find("static") != std::string::npos && now.find("sticky") == std::string::npos;
    };
    const auto give_and_take = [&] {
        EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
        move(DataPath::standby);
    };
    sh(fmt::format("bridge fdb replace {} dev tap1 master static", guest_mac));
    ASSERT_TRUE(is_static());
    give_and_take();
    delivery_->release();
    EXPECT_TRUE(is_static()) << fdb(guest_mac);
    // Another daemon does not know; but what the bridge does not learn it must keep.
    sh("bridge link set dev tap1 learning off flood off");
    give_and_take();
    delivery_ = deliver_by_bridge(rtnl_, spec());
    delivery_->release();
    EXPECT_TRUE(is_static()) << fdb(guest_mac);
    EXPECT_EQ(arrives(), "standby");
}

TEST_F(BridgeDeliveryTest, ReleasedOnAPortThatIsDownItIsLearntAnew) {
    move(DataPath::primary);
    testbed::run({"ip", "-n", guest1().name(), "link", "set", "primary", "down"});
    ASSERT_TRUE(testbed::until([&] {
        return testbed::spawn({"bridge", "link", "show", "dev", "vf1"}).find("state disabled") !=
               std::string::npos;
    }));
    delivery_->release();
    EXPECT_EQ(fdb(guest_mac).find("sticky"), std::string::npos) << fdb(guest_mac);
    EXPECT_EQ(look().path, DataPath::standby);
}

/// No daemon runs, or it is busy: what leads to the primary ends with its port's carrier.
TEST_F(BridgeDeliveryTest, TheKernelItselfLeavesAPortWithoutACarrier) {
    const auto primary = [&](const char *to) {
        testbed::run({"ip", "-n", guest1().name(), "link", "set", "primary", to});
    };
    move(DataPath::primary);
    primary("down");
    ASSERT_TRUE(testbed::until([&] { return fdb(guest_mac).empty(); })) << fdb(guest_mac);
    EXPECT_TRUE(reaches_standby());
    EXPECT_EQ(look(), (Delivery::State{DataPath::standby, false, "", false, true}));
    primary("up");
    ASSERT_TRUE(testbed::until([&] { return !look().dead; }));
    // Aged, or flushed: it is there again without a move.
    move(DataPath::primary);
    sh(fmt::format("bridge fdb del {} dev vf1 master", guest_mac));
    EXPECT_EQ(look(), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_NE(fdb(guest_mac).find("dev vf1"), std::string::npos);
    move(DataPath::standby);
    sh(fmt::format("bridge fdb del {} dev tap1 master", guest_mac));
    EXPECT_EQ(look().held, false) << "only what leads to a primary";
}

/// Where frames that no entry leads do not reach the tap, it must not end.
TEST_F(BridgeDeliveryTest, WhereTheTapGetsNoFloodsTheEntryIsStatic) {
    sh("bridge link set dev tap1 flood off");
    move(DataPath::primary);
    EXPECT_NE(fdb(guest_mac).find("static"), std::string::npos);
    testbed::run({"ip", "-n", guest1().name(), "link", "set", "primary", "down"});
    ASSERT_TRUE(testbed::until([&] { return look().dead; }));
    EXPECT_EQ(look().path, DataPath::primary) << "the daemon moves it";
    EXPECT_EQ(move(DataPath::standby).path, DataPath::standby);
    EXPECT_TRUE(reaches_standby());
}

TEST_F(BridgeDeliveryTest, EachVlanOfThePort) {
    if (testbed::run({"ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1"}).code)
        GTEST_SKIP() << "this kernel is built without CONFIG_BRIDGE_VLAN_FILTERING";
    sh("for v in 10 11 12 20; do "
       "for p in tap1 vf1 uplink; do bridge vlan add dev $p vid $v; done; done");
    ASSERT_EQ(port_vlans(rtnl_, link("tap1").index), (std::vector<uint16_t>{1, 10, 11, 12, 20}));
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    for (const char *vlan : {"vlan 1 ", "vlan 10 ", "vlan 11 ", "vlan 12 ", "vlan 20 "})
        EXPECT_NE(fdb(guest_mac).find(vlan), std::string::npos) << vlan;
    // Somebody takes one away: that is said.
    sh(fmt::format("bridge fdb replace {} dev tap1 master static sticky vlan 11", guest_mac));
    EXPECT_EQ(look().path, DataPath::unknown);
    EXPECT_NE(look().problem.find("some VLANs"), std::string::npos);
    // Frames without a tag would be in another one.
    move(DataPath::standby);
    sh("bridge vlan add dev tap1 vid 10 pvid untagged");
    EXPECT_NE(move(DataPath::primary).problem.find("are in VLAN 10, not in VLAN 1"),
              std::string::npos)
        << look().problem;
    sh("bridge vlan add dev vf1 vid 10 pvid untagged");
    EXPECT_EQ(move(DataPath::primary).path, DataPath::primary);
    // A VLAN that the primary's port lacks: refused before anything moves.
    move(DataPath::standby);
    sh("bridge vlan add dev tap1 vid 30");
    const Delivery::State refused = move(DataPath::primary);
    EXPECT_EQ(refused.path, DataPath::standby);
    EXPECT_NE(refused.problem.find("bridge vlan add dev vf1 vid 30"), std::string::npos)
        << refused.problem;
}

/// A trunk costs as few requests as an access port, and each VLAN is led all the same.
TEST_F(BridgeDeliveryTest, ATrunkOfAllVlansCostsFewRequests) {
    if (testbed::run({"ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1"}).code)
        GTEST_SKIP() << "this kernel is built without CONFIG_BRIDGE_VLAN_FILTERING";
    sh("for p in tap1 vf1; do bridge vlan add dev $p vid 2-4094; done");
    const auto led_to = [&](const char *port) {
        size_t out = 0;
        for (const FdbEntry &entry : fdb_entries(rtnl_, link(port).index))
            out += entry.vlan && entry.sticky;
        return out;
    };
    const auto requests = [&](const char *what, const std::function<void()> &act) {
        const uint32_t before = rtnl_.requests();
        act();
        const uint32_t made = rtnl_.requests() - before;
        fmt::print("  {}: {} requests\n", what, made);
        EXPECT_LT(made, 64u) << what;
    };
    requests("a look", [&] { look(); });
    requests("to the primary", [&] { move(DataPath::primary); });
    EXPECT_EQ(delivery_->state(), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(led_to("vf1"), 4094u);
    requests("a look at what is held", [&] { look(); });
    requests("to the standby", [&] { move(DataPath::standby); });
    EXPECT_EQ(led_to("tap1"), 4094u);
    EXPECT_EQ(led_to("vf1"), 0u);
    requests("its release", [&] { delivery_->release(); });
    EXPECT_EQ(led_to("tap1"), 0u);
    EXPECT_EQ(look(), (Delivery::State{DataPath::standby, false, ""}));
    requests("forgotten", [&] { delivery_->forget(); });
    EXPECT_EQ(fdb(guest_mac), "");
    // The primary's port is in one more, which is nobody's of the guest: that is not led there.
    sh("bridge vlan del dev tap1 vid 4094");
    move(DataPath::primary);
    EXPECT_EQ(delivery_->state(), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(led_to("vf1"), 4093u);
}

/// What holds for a guest at its tap holds for it by its primary, or the primary is not given.
TEST_F(BridgeDeliveryTest, APrimaryThatBypassesWhatTheTapHasIsNotGiven) {
    struct Policy {
        const char *set, *undo, *words;
    };
    const Policy policies[] = {
        {"tc qdisc add dev DEV clsact; tc filter add dev DEV ingress bpf bytecode '1,6 0 0 0' "
         "direct-action",
         "tc qdisc del dev DEV clsact", "clsact filter on its ingress"},
        {"tc qdisc add dev DEV clsact; tc filter add dev DEV egress bpf bytecode '1,6 0 0 0' "
         "direct-action",
         "tc qdisc del dev DEV clsact", "clsact filter on its egress"},
        {"tc qdisc add dev DEV root tbf rate 8mbit burst 10k latency 50ms",
         "tc qdisc del dev DEV root", "qdisc tbf"},
        {"nft add table bridge t; nft add chain bridge t c '{ type filter hook forward priority 0; "
         "}'; "
         "nft add rule bridge t c iifname DEV drop",
         "nft flush ruleset", "rules of nftables"},
        {"nft add table netdev t; nft add chain netdev t c '{ type filter hook ingress device DEV "
         "priority 0; policy drop; }'",
         "nft flush ruleset", "rules of nftables"},
        {"bridge link set dev DEV isolated on", "bridge link set dev DEV isolated off", "isolated"},
        {"bridge link set dev DEV neigh_suppress on", "bridge link set dev DEV neigh_suppress off",
         "neigh_suppress"},
    };
    const auto for_device = [](std::string command, const std::string &device) {
        for (size_t at = 0; (at = command.find("DEV", at)) != command.npos; at += device.size())
            command.replace(at, 3, device);
        return command;
    };
    sh("ip link add tap10 type veth peer name other && ip link set tap10 master br0 up");
    EXPECT_EQ(delivery_->obstacle(), "");
    for (const Policy &policy : policies) {
        sh(for_device(policy.set, "tap1"));
        EXPECT_NE(delivery_->obstacle().find(policy.words), std::string::npos)
            << policy.set << ": " << delivery_->obstacle();
        const Delivery::State refused = move(DataPath::primary);
        EXPECT_EQ(refused.path, DataPath::standby) << policy.set;
        EXPECT_NE(refused.problem.find(policy.words), std::string::npos) << refused.problem;
        GuestSpec told = spec();
        told.may_bypass = true;
        EXPECT_EQ(deliver_by_bridge(rtnl_, told)->obstacle(), "") << policy.set;
        sh(for_device(policy.undo, "tap1"));
        sh(for_device(policy.set, "tap10")); // somebody else's
        EXPECT_EQ(delivery_->obstacle(), "") << policy.set;
        sh(for_device(policy.undo, "tap10"));
    }
    for (const Policy &policy : {policies[0], policies[2], policies[5]}) {
        for (const char *device : {"tap1", "vf1"})
            sh(for_device(policy.set, device));
        EXPECT_EQ(delivery_->obstacle(), "") << "both have it: " << policy.set;
        for (const char *device : {"tap1", "vf1"})
            sh(for_device(policy.undo, device));
    }
    EXPECT_EQ(move(DataPath::primary).path, DataPath::primary);
}

TEST_F(BridgeDeliveryTest, OtherAddressesOfTheGuestGoAlong) {
    const std::string nested = "52:54:00:77:99:01";
    guest_speaks("standby", nested);
    ASSERT_TRUE(testbed::until([&] { return fdb(nested).find("tap1") != std::string::npos; }));
    move(DataPath::primary);
    EXPECT_EQ(arrives(nested), "primary");
    EXPECT_EQ(fdb(nested).find("sticky"), std::string::npos) << "it may live elsewhere tomorrow";
    move(DataPath::standby);
    EXPECT_EQ(arrives(nested), "standby");
}

/// A guest may have as many as it can invent; the daemon has others to serve.
TEST_F(BridgeDeliveryTest, NoMoreThan256OtherAddressesGoAlong) {
    std::string lines;
    for (unsigned i = 0; i < 300; i++)
        lines += fmt::format("fdb add 52:54:00:79:{:02x}:{:02x} dev tap1 master dynamic\n", i / 256,
                             i % 256);
    testbed::spawn({"bridge", "-batch", "-"}, lines);
    ASSERT_EQ(fdb_entries(rtnl_, link("tap1").index).size(), 300u);
    move(DataPath::primary);
    EXPECT_EQ(fdb_entries(rtnl_, link("vf1").index).size(), 256u + 1);
    EXPECT_EQ(delivery_->state().problem, "") << "its own address is where it belongs";
    EXPECT_NE(delivery_->left_behind().find("44 of its 300 addresses stay behind"),
              std::string::npos);
    sh("bridge fdb flush dev tap1 2>/dev/null || ip link set tap1 type bridge_slave fdb_flush");
    move(DataPath::standby);
    EXPECT_EQ(delivery_->left_behind(), "");
}

TEST_F(BridgeDeliveryTest, GroupsGoAlong) {
    sh("ip link set br0 type bridge mcast_snooping 1; "
       "bridge mdb add dev br0 port tap1 grp 239.1.2.3 temp; "
       "bridge mdb add dev br0 port tap1 grp ff02::1234 permanent");
    auto groups = [&](const char *port) {
        return mdb_entries(rtnl_, link("br0").index, link(port).index).size();
    };
    ASSERT_EQ(groups("tap1"), 2u) << testbed::spawn({"bridge", "-d", "mdb", "show"});
    move(DataPath::primary);
    EXPECT_EQ(groups("vf1"), 2u);
    EXPECT_EQ(groups("tap1"), 0u);
    move(DataPath::standby);
    EXPECT_EQ(groups("vf1"), 0u);
    EXPECT_EQ(groups("tap1"), 2u);
}

TEST_F(BridgeDeliveryTest, SaysWhatIsInTheWay) {
    auto problem = [&](const char *change, const char *says) {
        sh(change);
        move(DataPath::primary);
        EXPECT_NE(delivery_->state().problem.find(says), std::string::npos)
            << change << ": " << delivery_->state().problem;
        EXPECT_NE(delivery_->state().path, DataPath::primary);
    };
    problem("ip link set vf1 nomaster", "ip link set vf1 master br0 up");
    problem("ip link set tap1 nomaster", "`ip link set tap1 master BRIDGE`");
    sh("ip link set tap1 down; ip link set tap1 name other1; ip link add lower type veth");
    problem("ip link add tap1 link lower type macvtap",
            "no port of a bridge; give the guest a tap in a bridge");
    sh("ip link del tap1; ip link set other1 name tap1");
    problem("ip link del tap1", "find the tap tap1 of web1");
}

TEST_F(BridgeDeliveryTest, HeardAtAnotherPortItSaysWhere) {
    on(guest2(), "standby")
        .send(testbed::from_hex("020000000009" + std::string(guest_mac) + "88b6" +
                                std::string(100, '0')));
    ASSERT_TRUE(testbed::until([&] { return look().path == DataPath::unknown; }));
    EXPECT_NE(look().problem.find("tap2"), std::string::npos);
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
}

} // namespace
} // namespace hitless::test
