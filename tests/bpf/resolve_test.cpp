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

TEST(Resolve, FindsTheDeviceOfEachNumber) {
    Bed bed;
    Datapath dp;
    ip_batch("link add m1 index 1000 type veth peer name n1\n"
             "link add m2 index 1256 type veth peer name n2\n"
             "link set m1 up\nlink set n1 up\nlink set m2 up\nlink set n2 up\n");
    for (const char *name : {"m1", "n1", "m2", "n2"}) {
        uint32_t index = ifindex_of(name);
        ASSERT_EQ(dp.resolve(HL_ROLE_PRIMARY, index), 0) << name;
        EXPECT_EQ(dp.pair().primary.ifindex, index);
        EXPECT_NE(dp.pair().primary.netdev, 0U);
    }
    ASSERT_EQ(dp.resolve(HL_ROLE_STANDBY, ifindex_of("n1")), 0);
    for (const char *name : {"m2", "m1"}) {
        ASSERT_EQ(dp.resolve(HL_ROLE_PRIMARY, ifindex_of(name)), 0);
        expect_resolved(dp, name);
    }
}

TEST(Resolve, AMissingDeviceIsNotFound) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, 4242), -ENOENT);
    EXPECT_EQ(pair.dp.egress(pair.dp.asking()), TC_ACT_UNSPEC);
}

TEST(Resolve, NoneForgetsTheDevice) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, 0), 0);
    EXPECT_EQ(pair.dp.pair().primary.netdev, 0U);
    EXPECT_EQ(pair.dp.pair().primary.slot, 0U);
    EXPECT_EQ(pair.dp.pair().primary.ifindex, 0U);
    EXPECT_NE(pair.dp.pair().standby.netdev, 0U) << "the other role is left alone";
}

TEST(Resolve, EachRoleHasItsOwnPlace) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.pair().primary.ifindex, pair.bed.primary);
    EXPECT_EQ(pair.dp.pair().standby.ifindex, pair.bed.standby);
    EXPECT_NE(pair.dp.pair().primary.netdev, pair.dp.pair().standby.netdev);
    EXPECT_NE(pair.dp.pair().primary.slot, pair.dp.pair().standby.slot);
}

TEST(Resolve, LooksInTheCallersNamespaceOnly) {
    Pair pair{untouched()};
    Netns elsewhere = Netns::make();
    EXPECT_EQ(inside(elsewhere, [&] { return pair.dp.resolve(HL_ROLE_PRIMARY, pair.bed.primary); }),
              -ENOENT);

    ASSERT_EQ(pair.dp.resolve(HL_ROLE_PRIMARY, pair.bed.primary), 0);
    uint64_t here = pair.dp.pair().primary.netdev;
    ASSERT_EQ(inside(elsewhere, [&] { return pair.dp.resolve(HL_ROLE_PRIMARY, 1); }), 0) << "lo";
    EXPECT_NE(pair.dp.pair().primary.netdev, here);
}

} // namespace
} // namespace hitless::test
