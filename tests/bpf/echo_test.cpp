// SPDX-License-Identifier: BSD-2-Clause
//
// What the pair has sent for somebody behind the guest, and what comes back of it: each way out,
// each way in, by tc and XDP.
#include "tests/bpf/xdp.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <linux/if_ether.h>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;
constexpr Mac nested = {0x02, 0, 0, 0, 0, 0x55};
constexpr Mac other_nested = {0x02, 0, 0, 0, 0, 0x56};

/// How frames go out and come in.
struct Ways {
    const char *name;
    void (*out)(const Forward &, const Frame &);
    bool (*in)(const Forward &, hl_role, const Frame &);
};

void out_of_two(const Forward &f, const Frame &bytes) {
    f.pair.dp.run(f.pair.dp.skel().progs.hl_egress_probe_read, bytes, 0);
}
void out_of_failover(const Forward &f, const Frame &bytes) {
    f.pair.dp.run(f.pair.dp.skel().progs.hl_outward_probe_read, bytes, 0);
}
void out_by_xdp(const Forward &f, const Frame &bytes) {
    f.pair.dp.pair().native = 3;
    f.out(bytes);
}
bool in_by_tc(const Forward &f, hl_role nic, const Frame &bytes) {
    return f.pair.delivered(nic, bytes);
}
bool in_by_xdp(const Forward &f, hl_role nic, const Frame &bytes) {
    return f.in(nic, bytes) == XDP_REDIRECT;
}

const Ways ways[] = {
    {"Two", out_of_two, in_by_tc},
    {"Failover", out_of_failover, in_by_tc},
    {"Xdp", out_by_xdp, in_by_xdp},
    {"OutByTcInByXdp", out_of_failover, in_by_xdp},
    {"OutByXdpInByTc", out_by_xdp, in_by_tc},
};

class EchoTest : public ::testing::TestWithParam<Ways> {
  protected:
    void send(const Frame &bytes) const { GetParam().out(forward, bytes); }
    bool delivered(hl_role nic, const Frame &bytes) const {
        return GetParam().in(forward, nic, bytes);
    }
    void path(hl_role role) const {
        forward.pair.dp.pair().veto = role == P ? 0 : HL_VETO(OPERATOR);
    }
    uint64_t echoes() const { return forward.pair.dp.counted(HL_COUNT_DROP_ECHO); }

    Forward forward;
};

TEST_P(EchoTest, OfABroadcastOrMulticastIsDropped) {
    for (hl_role by : {P, S}) {
        path(by);
        for (const Mac &to : {broadcast_mac, multicast_mac}) {
            const Frame bytes = built(to, nested, {.payload = 30, .content = uint64_t(by) + 1});
            send(bytes);
            EXPECT_FALSE(delivered(by == P ? S : P, bytes));
        }
    }
    EXPECT_EQ(echoes(), 4U);
}

/// The frame leaves with an unfinished checksum and comes back finished and padded.
TEST_P(EchoTest, IsTheSameFrameWhateverTheNicDidToIt) {
    for (const Packet &p :
         {Packet{.payload = 2}, Packet{.kind = Packet::arp}, Packet{.tags = {7}}}) {
        Frame bytes = built(broadcast_mac, nested, p);
        send(bytes);
        if (size_t at = checksum_at(p)) bytes[at] ^= 0x55;
        if (bytes.size() < 60) bytes.resize(60, 0xa5);
        EXPECT_FALSE(delivered(S, bytes));
    }
}

TEST_P(EchoTest, OfUnicastIsDroppedInWhateverPieces) {
    send(built(peer_mac, nested, {.protocol = 6, .payload = 1400}));
    EXPECT_FALSE(delivered(S, built(peer_mac, nested, {.protocol = 6, .payload = 500})));
    EXPECT_FALSE(
        delivered(S, built(peer_mac, nested, {.protocol = 6, .payload = 300, .content = 9})));
    EXPECT_EQ(echoes(), 2U);
}

/// A nested guest that lives elsewhere now speaks to us as anybody else does.
TEST_P(EchoTest, WhatASourceOfOursSendsFromElsewhereIsDelivered) {
    send(built(broadcast_mac, nested, {}));
    send(built(peer_mac, nested, {}));
    for (hl_role nic : {S, P}) {
        const uint64_t fresh = uint64_t(nic) + 7;
        EXPECT_TRUE(delivered(nic, built(broadcast_mac, nested, {.content = fresh})));
        EXPECT_TRUE(delivered(nic, built(other_nested, nested, {.content = fresh})));
        EXPECT_TRUE(delivered(nic, built(own_mac, nested, {.content = fresh})));
    }
    EXPECT_EQ(echoes(), 0U);
}

TEST_P(EchoTest, AsManyComeBackAsWereSentAndNoMore) {
    const Frame bytes = built(broadcast_mac, nested, {});
    send(bytes);
    send(bytes);
    EXPECT_FALSE(delivered(S, bytes));
    EXPECT_FALSE(delivered(S, bytes));
    EXPECT_TRUE(delivered(S, bytes)) << "somebody else's";
    EXPECT_FALSE(delivered(P, bytes)) << "and its twin";
}

/// Reflective relay (802.1Qbg): a switch that is told to returns frames by the port they came by.
TEST_P(EchoTest, WhatComesBackByTheNicThatSentItWasReturnedOnPurpose) {
    const Frame group = built(broadcast_mac, nested, {}), one = built(other_nested, nested, {});
    send(group);
    send(one);
    EXPECT_TRUE(delivered(P, group));
    EXPECT_TRUE(delivered(P, one));
}

TEST_P(EchoTest, OnAnotherVlanIsNone) {
    send(built(broadcast_mac, nested, {.tags = {7}}));
    send(built(peer_mac, nested, {.tags = {7}}));
    EXPECT_TRUE(delivered(S, built(broadcast_mac, nested, {.tags = {8}})));
    EXPECT_TRUE(delivered(S, built(broadcast_mac, nested, {})));
    EXPECT_TRUE(delivered(S, built(peer_mac, nested, {.tags = {8}})));
}

/// BPF_PROG_RUN shows tc every tag inside; on a wire the outer one is beside the frame.
TEST_P(EchoTest, OfTaggedUnicastIsDropped) {
    if (GetParam().in == in_by_tc)
        GTEST_SKIP() << "no tag beside a frame here; selftests have those";
    send(built(peer_mac, nested, {.tags = {7}}));
    EXPECT_FALSE(delivered(S, built(peer_mac, nested, {.tags = {7}})));
}

TEST_P(EchoTest, AGuestsOwnUnicastIsNotRemembered) {
    send(built(peer_mac, own_mac, {}));
    EXPECT_TRUE(delivered(S, built(own_mac, peer_mac, {})));
    EXPECT_EQ(echoes(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Ways, EchoTest, ::testing::ValuesIn(ways),
                         [](const auto &test) { return test.param.name; });

} // namespace
} // namespace hitless::test
