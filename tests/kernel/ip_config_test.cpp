// SPDX-License-Identifier: BSD-2-Clause
//
// What of IP stands on a device, as `ip` puts it there; and nothing of what every device has.
#include "tests/kernel/room.hpp"

#include "loader/kernel/netlink/ip_config.hpp"

namespace hitless::test {
namespace {

class IpOnADevice : public Room {
  protected:
    void SetUp() override {
        Room::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        for (std::string name : {"nic", "beside"}) {
            say("ip link add name " + name + " type veth peer name far-" + name);
            say("echo 0 > /proc/sys/net/ipv6/conf/" + name + "/accept_dad");
            say("ip link set dev far-" + name + " up && ip link set dev " + name + " up");
        }
    }
    IpConfig seen() { return ip_config(rtnl().link("nic").value()); }
};

TEST_F(IpOnADevice, WhatTheKernelPutsThereIsNotCounted) {
    EXPECT_NE(say("ip -6 addr show dev nic").find("fe80::"), std::string::npos);
    EXPECT_TRUE(seen().empty());
    say("ip addr add 10.5.0.2/24 dev beside && ip route add default via 10.5.0.1");
    EXPECT_TRUE(seen().empty()) << "of another device";
}

TEST_F(IpOnADevice, AddressesOfBothFamilies) {
    say("ip addr add 10.0.0.2/24 dev nic && ip addr add fd00::2/64 dev nic && "
        "ip addr add 10.9.0.2 peer 10.9.0.1/32 dev nic");
    EXPECT_EQ(seen().addresses,
              (std::vector<std::string>{"10.0.0.2/24", "10.9.0.2", "fd00::2/64"}));
}

TEST_F(IpOnADevice, RoutesOfEveryTableWithTheCommandThatRemovesThem) {
    say("ip route add 203.0.113.0/24 dev nic && ip route add default dev nic table 77 && "
        "ip -6 route add fd99::/64 dev nic metric 5 && "
        "ip route add 198.51.100.0/24 nexthop dev nic nexthop dev beside");
    std::vector<IpRoute> routes = seen().routes;
    ASSERT_EQ(routes.size(), 4u);
    for (const IpRoute &route : routes)
        say(route.remove);
    EXPECT_TRUE(seen().empty());
}

TEST_F(IpOnADevice, RulesThatNameIt) {
    say("ip rule add iif nic lookup 77 && ip -6 rule add oif nic lookup 77 && "
        "ip rule add iif beside lookup 77");
    EXPECT_EQ(seen().rules, 2u);
}

} // namespace
} // namespace hitless::test
