// SPDX-License-Identifier: BSD-2-Clause
//
// Routes go from one device to another and leave those of a third alone.
#include "tests/kernel/room.hpp"

#include "loader/kernel/netlink/settings.hpp"

#include <string>

namespace hitless::test {
namespace {

class RoutesGo : public Room {
  protected:
    void SetUp() override {
        Room::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        for (std::string name : {"nic", "beside", "fo"}) {
            say("ip link add name " + name + " type veth peer name far-" + name);
            say("echo 0 > /proc/sys/net/ipv6/conf/" + name + "/accept_dad");
            say("ip link set dev far-" + name + " up && ip link set dev " + name + " up");
        }
        say("ip addr add 10.0.0.2/24 dev nic && ip addr add 10.5.0.2/24 dev beside");
    }
    Link link(const char *name) { return rtnl().link(name).value(); }

    /// As where the NIC leaves the guest's namespace before the master has its settings.
    void go_from_afar() {
        Settings settings = Settings::read(rtnl(), link("nic"));
        say("ip link del nic");
        settings.add_addresses(rtnl(), link("fo").index);
        settings.add_routes(rtnl(), link("fo").index);
    }
    void go_beside() {
        Settings settings = Settings::read(rtnl(), link("nic"));
        settings.add_addresses(rtnl(), link("fo").index);
        settings.add_routes(rtnl(), link("fo").index);
        settings.remove_addresses(rtnl(), link("nic").index);
        settings.add_routes(rtnl(), link("fo").index);
    }
    static std::string defaults(const std::string &family) {
        return say("ip -o " + family +
                   " route show default | sed 's/ *pref medium//; s/linkdown *//g; "
                   "s/expires [0-9]*sec //; s/[ \\\\\t]\\+/ /g; s/ $//'");
    }
};

TEST_F(RoutesGo, TheHopOfThisDeviceIsBentNotTheFirst) {
    say("ip route add default nexthop via 10.5.0.1 dev beside nexthop via 10.0.0.1 dev nic");
    go_from_afar();
    EXPECT_EQ(defaults("-4"), "default nexthop via 10.5.0.1 dev beside weight 1 "
                              "nexthop via 10.0.0.1 dev fo weight 1\n");
}

TEST_F(RoutesGo, TheOthersHopsOfAnIpv6GroupStay) {
    say("ip -6 route add default nexthop via fe80::5 dev beside nexthop via fe80::9 dev nic");
    go_from_afar();
    EXPECT_EQ(defaults("-6"), "default metric 1024 nexthop via fe80::5 dev beside weight 1 "
                              "nexthop via fe80::9 dev fo weight 1\n");
}

TEST_F(RoutesGo, AnEqualRouteByAnotherDeviceStays) {
    for (bool first : {true, false}) {
        SCOPED_TRACE(first ? "ours is in use" : "the other is in use");
        for (bool ours : {first, !first})
            say(ours ? "ip route append default via 10.0.0.1 dev nic"
                     : "ip route append default via 10.5.0.1 dev beside");
        std::string by_other = "default via 10.5.0.1 dev beside\n",
                    by_master = "default via 10.0.0.1 dev fo\n";
        go_beside();
        EXPECT_EQ(defaults("-4"), first ? by_master + by_other : by_other + by_master);
        say("ip route flush default && ip addr add 10.0.0.2/24 dev nic && ip addr flush dev "
            "fo");
    }
}

TEST_F(RoutesGo, AnEqualRouteByAnotherDeviceStaysWhenTheNicHasLeft) {
    say("ip route append default via 10.0.0.1 dev nic");
    say("ip route append default via 10.5.0.1 dev beside");
    go_from_afar();
    EXPECT_EQ(defaults("-4"), "default via 10.0.0.1 dev fo\ndefault via 10.5.0.1 dev beside\n");
}

TEST_F(RoutesGo, AGroupOfIpv6GatewaysKeepsItsOthersBeside) {
    for (const char *dev : {"beside", "nic"})
        say(std::string("ip -6 route append default via fe80::9 metric 1024 dev ") + dev);
    go_beside();
    EXPECT_NE(defaults("-6").find("dev beside"), std::string::npos) << defaults("-6");
    EXPECT_NE(defaults("-6").find("dev fo"), std::string::npos) << defaults("-6");
    EXPECT_EQ(defaults("-6").find("dev nic"), std::string::npos) << defaults("-6");
}

TEST_F(RoutesGo, AnIpv6RouteWithoutGatewayStaysToo) {
    for (const char *dev : {"beside", "nic"})
        say(std::string("ip -6 route append 2001:db8::/64 dev ") + dev);
    go_from_afar();
    std::string now = say("ip -6 route show 2001:db8::/64");
    EXPECT_NE(now.find("dev beside"), std::string::npos) << now;
    EXPECT_NE(now.find("dev fo"), std::string::npos) << now;
}

} // namespace
} // namespace hitless::test
