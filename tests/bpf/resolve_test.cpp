// SPDX-License-Identifier: BSD-2-Clause
//
// The resolver: from an ifindex to the device the datapath will ask.
#include "tests/bpf/datapath.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hitless::test {
namespace {

/// "The device that was resolved is the one with this ifindex": the egress program redirects, and
/// stops when exactly that device goes down.
void expect_resolved(const Datapath &dp, const std::string &ifname) {
    dp.pair().veto = 0;
    EXPECT_EQ(dp.egress(dp.asking()), TC_ACT_REDIRECT) << ifname;
    ip(fmt::format("link set {} down", ifname));
    EXPECT_EQ(dp.egress(dp.asking()), TC_ACT_UNSPEC) << ifname;
}

TEST(Resolve, FindsEveryOneOf600Devices) {
    constexpr int pairs = 300;
    Lab lab;
    Datapath dp;
    std::string script;
    for (int i = 0; i < pairs; i++) // index: 256 apart share a chain; these make long ones
        script += fmt::format("link add m{0} index {1} type veth peer name n{0}\n", i,
                              i % 2 ? 1000 + i : 10'000 + 256 * i);
    ip_batch(script);

    for (int i = 0; i < pairs; i++)
        for (const char *side : {"m", "n"}) {
            uint32_t index = ifindex_of(fmt::format("{}{}", side, i));
            ASSERT_EQ(dp.resolve(HL_ROLE_PRIMARY, index), 0) << side << i;
            EXPECT_EQ(dp.pair().primary.ifindex, index);
            EXPECT_NE(dp.pair().primary.netdev, 0U);
        }
    for (int i : {0, 1, 150, 298}) { // ends and middle of the chains
        ip_batch(fmt::format("link set m{0} up\nlink set n{0} up\n", i));
        ASSERT_EQ(dp.resolve(HL_ROLE_PRIMARY, ifindex_of(fmt::format("m{}", i))), 0);
        expect_resolved(dp, fmt::format("m{}", i));
    }
}

TEST(Resolve, AMissingDeviceIsNotFoundAndForgetsTheOld) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, 4242), -ENOENT);
    EXPECT_EQ(pair.dp.pair().primary.netdev, 0U);
    EXPECT_EQ(pair.dp.pair().primary.ifindex, 0U);
    EXPECT_EQ(pair.dp.egress(pair.dp.asking()), TC_ACT_UNSPEC);
}

TEST(Resolve, Ifindex0ForgetsTheDevice) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, 0), 0);
    EXPECT_EQ(pair.dp.pair().primary.netdev, 0U);
    EXPECT_EQ(pair.dp.pair().primary.net, 0U);
    EXPECT_EQ(pair.dp.pair().primary.ifindex, 0U);
    EXPECT_NE(pair.dp.pair().standby.netdev, 0U) << "the other role is left alone";
}

TEST(Resolve, EachRoleHasItsOwnPlace) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.pair().primary.ifindex, pair.lab.primary);
    EXPECT_EQ(pair.dp.pair().standby.ifindex, pair.lab.standby);
    EXPECT_NE(pair.dp.pair().primary.netdev, pair.dp.pair().standby.netdev);
    EXPECT_EQ(pair.dp.pair().primary.net, pair.dp.pair().standby.net);
}

TEST(Resolve, LooksInTheCallersNamespaceOnly) {
    Pair pair{untouched()};
    Netns elsewhere = Netns::make();
    EXPECT_EQ(inside(elsewhere, [&] { return pair.dp.resolve(HL_ROLE_PRIMARY, pair.lab.primary); }),
              -ENOENT);

    ASSERT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, pair.lab.primary), 0);
    uint64_t here = pair.dp.pair().primary.net;
    ASSERT_EQ(inside(elsewhere, [&] { return pair.dp.resolve(HL_ROLE_PRIMARY, 1); }), 0) << "lo";
    EXPECT_NE(pair.dp.pair().primary.net, here);
}

} // namespace
} // namespace hitless::test
