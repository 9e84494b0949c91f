// SPDX-License-Identifier: BSD-2-Clause
//
// What a received frame is answered with, one frame at a time: builder -> verdict and counter.
#include "tests/bpf/datapath.hpp"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

constexpr Mac foreign = {0x02, 0, 0, 0, 0, 0x55};
constexpr hl_role both[] = {HL_ROLE_PRIMARY, HL_ROLE_STANDBY};

struct Case {
    const char *rule;
    Frame (*build)();
    bool delivered;
    hl_counter drop; // where the frame is counted when it is not delivered
};

const Case cases[] = {
    {"UnicastToUs", [] { return frame(own_mac, peer_mac); }, true, {}},
    {"UnicastUdpToUs", [] { return udp(own_mac, peer_mac, 1400); }, true, {}},
    // Two pairs bridged together: our address as source, but meant for us alone, is no echo.
    {"UnicastToUsFromUs", [] { return frame(own_mac, own_mac); }, true, {}},
    {"UnicastToAnotherInPromiscuousMode", [] { return frame(foreign, peer_mac); }, true, {}},
    {"OwnUnicastFloodedBack", [] { return frame(foreign, own_mac); }, false, HL_COUNT_DROP_ECHO},
    {"Broadcast", [] { return frame(broadcast_mac, peer_mac); }, true, {}},
    {"Multicast", [] { return frame(multicast_mac, peer_mac); }, true, {}},
    {"ArpRequest", [] { return arp_request(peer_mac); }, true, {}},
    {"OwnBroadcast", [] { return frame(broadcast_mac, own_mac); }, false, HL_COUNT_DROP_ECHO},
    {"OwnMulticast", [] { return frame(multicast_mac, own_mac); }, false, HL_COUNT_DROP_ECHO},
    {"OwnArpRequest", [] { return arp_request(own_mac); }, false, HL_COUNT_DROP_ECHO},
    {"OwnDuplicateAddressDetection", [] { return neighbour_solicitation(own_mac); }, false,
     HL_COUNT_DROP_ECHO},
    {"OwnTaggedBroadcast", [] { return tagged(broadcast_mac, own_mac, {7}); }, false,
     HL_COUNT_DROP_ECHO},
    {"TaggedBroadcast", [] { return tagged(broadcast_mac, peer_mac, {7}); }, true, {}},
    {"QinQBroadcast",
     [] {
         return tagged(broadcast_mac, peer_mac, {7, 8});
     },
     true,
     {}},
    {"NullSource", [] { return frame(broadcast_mac, Mac{}); }, true, {}},
    {"BroadcastAsSource", [] { return frame(broadcast_mac, broadcast_mac); }, true, {}},
    {"RuntUnicast", [] { return frame(own_mac, peer_mac, 14); }, true, {}},
    {"RuntBroadcast", [] { return frame(broadcast_mac, peer_mac, 14); }, true, {}},
    {"RuntOwnBroadcast", [] { return frame(broadcast_mac, own_mac, 14); }, false,
     HL_COUNT_DROP_ECHO},
};

class IngressTest : public ::testing::TestWithParam<Case> {};

TEST_P(IngressTest, IsJudgedAlikeOnBothNics) {
    const Case &c = GetParam();
    const hl_counter delivered_as[] = {HL_COUNT_RX_PRIMARY, HL_COUNT_RX_STANDBY};

    for (hl_role nic : both) {
        Pair pair{untouched()}; // for each, or the second would be a twin
        EXPECT_EQ(pair.delivered(nic, c.build()), c.delivered) << pair.dp.counters();
        EXPECT_EQ(pair.dp.counted(delivered_as[nic]), c.delivered ? 1U : 0U);
        if (!c.delivered) {
            EXPECT_EQ(pair.dp.counted(c.drop), 1U) << pair.dp.counters();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Frames, IngressTest, ::testing::ValuesIn(cases),
                         [](const auto &test) { return test.param.rule; });

TEST(Ingress, UnicastToUsIsAcceptedFromBothNics) {
    Pair pair{untouched()};
    for (uint64_t i = 0; i < 6; i++)
        EXPECT_TRUE(pair.delivered(both[i % 2], frame(own_mac, peer_mac, 64, i)));
    EXPECT_EQ(pair.dp.counters(), "rx_primary=3 rx_standby=3");
}

TEST(Ingress, UnicastToUsIsAcceptedWhateverTheVeto) {
    Pair pair{untouched()};
    pair.dp.pair().veto = ~0ULL;
    for (hl_role nic : both)
        EXPECT_TRUE(pair.delivered(nic, frame(own_mac, peer_mac, 64, nic)));
}

TEST(Ingress, APairWithoutAMacDropsNoEcho) {
    Pair pair{untouched()};
    memset(pair.dp.pair().mac, 0, sizeof(pair.dp.pair().mac));
    EXPECT_TRUE(pair.delivered(HL_ROLE_PRIMARY, frame(broadcast_mac, own_mac)));
}

} // namespace
} // namespace hitless::test
