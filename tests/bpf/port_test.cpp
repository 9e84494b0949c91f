// SPDX-License-Identifier: BSD-2-Clause
//
// Protocols of the port: their frames stay on their NIC, and the master hears them once.
#include "maps/hitless_channel.h"
#include "tests/bpf/xdp.hpp"

#include <gtest/gtest.h>
#include <linux/if_ether.h>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;

Frame typed(const Mac &to, const Mac &from, uint16_t type, uint64_t content = 0) {
    Frame bytes = frame(to, from, 60, content);
    bytes[12] = static_cast<uint8_t>(type >> 8);
    bytes[13] = static_cast<uint8_t>(type);
    return bytes;
}

Mac reserved(uint8_t last) {
    return {0x01, 0x80, 0xc2, 0, 0, last};
}
constexpr Mac ptp = {0x01, 0x1b, 0x19, 0, 0, 0};

struct Case {
    const char *name;
    Mac to;
    uint16_t type;
    bool stays;
};

const Case cases[] = {
    {"Lldp", reserved(0x0e), 0x88cc, true},
    {"LldpToAnotherAddress", reserved(0x03), 0x88cc, true},
    {"LldpBroadcast", broadcast_mac, 0x88cc, true},
    {"Eapol", reserved(0x03), 0x888e, true},
    {"EapolToUs", own_mac, 0x888e, true},
    {"Ptp", ptp, 0x88f7, true},
    {"PtpPeerDelay", reserved(0x0e), 0x88f7, true},
    {"PtpToUs", own_mac, 0x88f7, true},
    {"Lacp", reserved(0x02), 0x8809, true},
    {"SpanningTree", reserved(0x00), 0x0026, true},
    {"TheLastReservedAddress", reserved(0x0f), 0x88b5, true},
    {"BehindTheReservedAddresses", reserved(0x10), 0x88b5, false},
    {"IpToAReservedAddress", reserved(0x0e), ETH_P_IP, false},
    {"Multicast", multicast_mac, 0x88b5, false},
    {"Mpls", own_mac, 0x8847, false},
    {"Unicast", own_mac, ETH_P_IPV6, false},
};

class PortTest : public ::testing::TestWithParam<Case> {};

TEST_P(PortTest, StaysOnItsNicAndReachesTheMaster) {
    const Case &c = GetParam();
    Pair pair{untouched()};
    const int verdict =
        pair.dp.run(pair.dp.ingress_primary(), typed(c.to, peer_mac, c.type), pair.bed.primary);
    EXPECT_EQ(verdict, c.stays ? TC_ACT_UNSPEC : TC_ACT_REDIRECT);
    EXPECT_EQ(pair.dp.counters(), "rx_primary=1");
}

TEST_P(PortTest, OnAFailoverDeviceToo) {
    const Case &c = GetParam();
    Pair pair{untouched()};
    for (hl_role nic : {P, S}) {
        auto &programs = pair.dp.skel().progs;
        const int verdict = pair.dp.run(nic == P ? programs.hl_enter_primary_probe_read
                                                 : programs.hl_enter_standby_probe_read,
                                        typed(c.to, peer_mac, c.type, nic), pair.bed.primary);
        EXPECT_EQ(verdict, c.stays ? TC_ACT_UNSPEC : TC_ACT_REDIRECT);
    }
    EXPECT_EQ(pair.dp.counters(), "rx_primary=1 rx_standby=1");
}

TEST_P(PortTest, XdpLeavesItToTc) {
    const Case &c = GetParam();
    Forward forward;
    EXPECT_EQ(forward.in(P, typed(c.to, peer_mac, c.type)), c.stays ? XDP_PASS : XDP_REDIRECT);
    EXPECT_EQ(forward.pair.dp.counters(), c.stays ? "" : "rx_primary=1");
    const int verdict = forward.run(forward.skel().progs.hl_inward_standby_probe_read,
                                    typed(c.to, peer_mac, c.type, 1));
    EXPECT_EQ(verdict, c.stays ? TC_ACT_UNSPEC : TC_ACT_REDIRECT);
}

INSTANTIATE_TEST_SUITE_P(Frames, PortTest, ::testing::ValuesIn(cases),
                         [](const auto &test) { return test.param.name; });

TEST(Port, TheMasterHearsOneOfTwo) {
    Pair pair{untouched()};
    const Frame bytes = typed(ptp, peer_mac, 0x88f7);
    EXPECT_TRUE(pair.delivered(S, bytes));
    EXPECT_EQ(pair.dp.run(pair.dp.ingress_primary(), bytes, pair.bed.primary), TC_ACT_UNSPEC)
        << "it stays on the primary all the same";
    EXPECT_EQ(pair.dp.counters(), "rx_standby=1 drop_twin=1");
}

/// What is said by one NIC must never be heard as said by the other.
TEST(Port, TheChannelIsHeardOnItsNicAlone) {
    Pair pair{untouched()};
    const Frame bytes = typed(reserved(0x0e), peer_mac, HL_CHANNEL_ETHERTYPE);
    auto &programs = pair.dp.skel().progs;
    for (int again = 0; again < 2; again++) { // the same bytes by both NICs are no twins
        EXPECT_EQ(pair.dp.run(pair.dp.ingress_primary(), bytes, pair.bed.primary), TC_ACT_UNSPEC);
        EXPECT_EQ(pair.dp.run(programs.hl_ingress_standby, bytes, pair.bed.standby), TC_ACT_UNSPEC);
        for (auto *program :
             {programs.hl_enter_primary_probe_read, programs.hl_enter_standby_probe_read})
            EXPECT_EQ(pair.dp.run(program, bytes, pair.bed.primary), TC_ACT_UNSPEC);
    }
    EXPECT_EQ(pair.dp.counters(), "") << "the master gets no copy";
}

TEST(Port, AnEchoIsNobodys) {
    Pair pair{untouched()};
    EXPECT_EQ(pair.dp.run(pair.dp.ingress_primary(), typed(reserved(0x0e), own_mac, 0x88cc),
                          pair.bed.primary),
              TC_ACT_SHOT);
    EXPECT_EQ(pair.dp.counters(), "drop_echo=1");
}

} // namespace
} // namespace hitless::test
