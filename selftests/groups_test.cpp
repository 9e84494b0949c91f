// SPDX-License-Identifier: BSD-2-Clause
//
// Behind a switch that snoops, the groups of the guest follow it to the path that it takes: those
// of the master, of a macvlan on it, and, where the switch tells VLANs apart, of a VLAN on it.
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace hitless::selftest {
namespace {

constexpr const char *group4 = "239.7.7.7", *group6 = "ff05::7777";

Fd member4(const std::string &device) {
    Fd out(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ip_mreqn request{};
    inet_pton(AF_INET, group4, &request.imr_multiaddr);
    request.imr_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
    EXPECT_EQ(setsockopt(out.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request), 0);
    return out;
}

Fd member6(const std::string &device) {
    Fd out(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ipv6_mreq request{};
    inet_pton(AF_INET6, group6, &request.ipv6mr_multiaddr);
    request.ipv6mr_interface = if_nametoindex(device.c_str());
    EXPECT_EQ(setsockopt(out.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request), 0);
    return out;
}

class Groups : public PairTest {
  protected:
    /// A Linux bridge prunes only while there is a querier; it is one itself. It asks at once, and
    /// then not for two minutes.
    void snoop() {
        spawn({"ip", "-n", bed().switch_ns().name(), "link", "set", "br0", "type", "bridge",
               "mcast_query_response_interval", "10", "mcast_startup_query_count", "1",
               "mcast_snooping", "1", "mcast_querier", "1"});
    }
    bool leads(const std::string &group, const std::string &port) {
        const std::string table =
            run({"bridge", "-n", bed().switch_ns().name(), "mdb", "show", "dev", "br0"}).out;
        const std::string entry = fmt::format("port {} grp {} ", port, group);
        std::istringstream lines(table);
        for (std::string line; std::getline(lines, line);)
            if (line.find(entry) != line.npos && line.find(tag_) != line.npos) return true;
        return false;
    }
    bool leads_both(const std::string &port) { return leads(group4, port) && leads(group6, port); }
    /// In both groups by the primary, and nothing more that the kernel would say by itself.
    void join(const std::string &device = "standby") {
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        snoop();
        four_ = in_netns(bed().guest(), [&] { return member4(device); });
        six_ = in_netns(bed().guest(), [&] { return member6(device); });
        ASSERT_TRUE(until([&] { return leads_both("sw-primary"); })) << "the switch does not snoop";
        // RFC 3376, 3810: it says so twice within a second, and answers the switch's first query.
        // The controller looks every five seconds whom it would tell, and of what.
        pace(now_ns() + 5'500'000'000);
        ASSERT_FALSE(leads(group4, "sw-standby"));
    }

    /// The primary's cable is cut, and nobody speaks but the controller.
    void expect_to_follow() {
        pair().primary().carrier(false);
        EXPECT_TRUE(until([&] { return leads_both("sw-standby"); }));
        EXPECT_EQ(pair().active(), "standby");
    }

    std::string tag_; ///< of the VLAN they are in, as `bridge mdb` shows it
  private:
    Fd four_, six_;
};

TEST_P(Groups, FollowTheGuest) {
    pair().attach();
    join();
    expect_to_follow();
}

TEST_P(Groups, FollowAMacvlan) {
    ip_batch(bed().guest().name(),
             "link add mv link standby address 52:54:00:77:00:42 type macvlan "
             "mode bridge\nlink set mv up\naddr add 10.78.0.2/24 dev mv\n");
    ASSERT_TRUE(bed().addresses_ready("mv"));
    pair().attach();
    join("mv");
    expect_to_follow();
}

TEST_P(Groups, DoNotWhenNothingIsToBeSaid) {
    pair().attach({"--hold-down", "20", "--announce", "none"});
    join();
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    EXPECT_FALSE(until([&] { return leads_both("sw-standby"); }, 1s))
        << "somebody else says it, and the other test shows nothing";
}

HL_INSTANTIATE(Groups);

class VlanGroups : public Groups {
  protected:
    void SetUp() override {
        Groups::SetUp();
        bed().vlan(20);
        ASSERT_TRUE(bed().addresses_ready("standby.20"));
        spawn({"ip", "-n", bed().switch_ns().name(), "link", "set", "br0", "type", "bridge",
               "vlan_filtering", "1"});
        for (const char *port : {"sw-standby", "sw-primary", "sw-far"})
            spawn({"bridge", "-n", bed().switch_ns().name(), "vlan", "add", "dev", port, "vid",
                   "20"});
        tag_ = "vid 20";
    }
};

TEST_P(VlanGroups, FollowTheirVlan) {
    pair().attach();
    join("standby.20");
    expect_to_follow();
}

TEST_P(VlanGroups, DoNotWhenNothingIsToBeSaid) {
    pair().attach({"--hold-down", "20", "--announce", "none"});
    join("standby.20");
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    EXPECT_FALSE(until([&] { return leads_both("sw-standby"); }, 1s));
}

HL_INSTANTIATE_WITH_VLANS(VlanGroups);

} // namespace
} // namespace hitless::selftest
