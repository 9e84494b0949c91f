// SPDX-License-Identifier: BSD-2-Clause
//
// Behind a switch that snoops, the groups of the guest follow it to the path that it takes.
#include "proving/spawn.hpp"
#include "selftests/pair_test.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace hitless::selftest {
namespace {

constexpr const char *group4 = "239.7.7.7", *group6 = "ff05::7777";

Fd member4() {
    Fd out(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ip_mreqn request{};
    inet_pton(AF_INET, group4, &request.imr_multiaddr);
    request.imr_ifindex = static_cast<int>(if_nametoindex("standby"));
    EXPECT_EQ(setsockopt(out.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request), 0);
    return out;
}

Fd member6() {
    Fd out(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ipv6_mreq request{};
    inet_pton(AF_INET6, group6, &request.ipv6mr_multiaddr);
    request.ipv6mr_interface = if_nametoindex("standby");
    EXPECT_EQ(setsockopt(out.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request), 0);
    return out;
}

class Groups : public PairTest {
  protected:
    /// A Linux bridge prunes only while there is a querier; it is one itself. It asks at once, and
    /// then not for two minutes.
    void snoop() {
        spawn({"ip", "-n", lab().switch_ns().name(), "link", "set", "br0", "type", "bridge",
               "mcast_query_response_interval", "10", "mcast_startup_query_count", "1",
               "mcast_snooping", "1", "mcast_querier", "1"});
    }
    bool leads(const std::string &group, const std::string &port) {
        const std::string table =
            run({"bridge", "-n", lab().switch_ns().name(), "mdb", "show", "dev", "br0"}).out;
        return table.find(fmt::format("port {} grp {} ", port, group)) != std::string::npos;
    }
    bool leads_both(const std::string &port) { return leads(group4, port) && leads(group6, port); }
    /// In both groups by the primary, and nothing more that the kernel would say by itself.
    void join() {
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        snoop();
        four_ = in_netns(lab().guest(), member4);
        six_ = in_netns(lab().guest(), member6);
        ASSERT_TRUE(until([&] { return leads_both("sw-primary"); }, 5s))
            << "the switch does not snoop";
        // RFC 3376, 3810: it says so twice within a second, and answers the switch's first query.
        // The controller looks every five seconds whom it would tell, and of what.
        pace(now_ns() + 5'500'000'000);
        ASSERT_FALSE(leads(group4, "sw-standby"));
    }

  private:
    Fd four_, six_;
};

TEST_P(Groups, FollowTheGuest) {
    pair().attach();
    join();
    pair().primary().carrier(false);
    EXPECT_TRUE(until([&] { return leads_both("sw-standby"); }, 1s));
    EXPECT_EQ(pair().active(), "standby");
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

} // namespace
} // namespace hitless::selftest
