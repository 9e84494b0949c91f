// SPDX-License-Identifier: BSD-2-Clause
//
// When two frames are the same: whatever padding, checksum and hook they are seen with, and never
// when anything else differs.
#include "tests/bpf/xdp.hpp"

#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <rapidcheck/gtest.h>

namespace hitless::test {
namespace {

constexpr hl_role P = HL_ROLE_PRIMARY;
constexpr hl_role S = HL_ROLE_STANDBY;

/// As another NIC or network hands it on.
Frame changed_on_the_way(Frame bytes, const Packet &p, uint16_t checksum, size_t size,
                         uint8_t pad) {
    if (size_t at = checksum_at(p)) {
        bytes[at] = static_cast<uint8_t>(checksum >> 8);
        bytes[at + 1] = static_cast<uint8_t>(checksum);
    }
    if (bytes.size() < size) bytes.resize(size, p.kind == Packet::other ? 0 : pad);
    return bytes;
}

struct Case {
    const char *name;
    Packet packet;
};

const Case cases[] = {
    {"Udp", {}},
    {"UdpOfManyBytes", {.payload = 1400}},
    {"UdpEmpty", {.payload = 0}},
    {"Tcp", {.protocol = 6}},
    {"TcpBehindOptions", {.protocol = 6, .options = 10}},
    {"UdpBehindOptions", {.options = 3}},
    {"UdpTagged", {.tags = {7}}},
    {"UdpInTwoTags", {.tags = {7, 8}}},
    {"UdpInThreeTags", {.tags = {7, 8, 9}}},
    {"FirstFragment", {.fragment = 0x2000}},
    {"LaterFragment", {.fragment = 0x2005}},
    {"OtherProtocol", {.protocol = 47}},
    {"Udp6", {.kind = Packet::ipv6}},
    {"Tcp6", {.kind = Packet::ipv6, .protocol = 6}},
    {"Icmp6", {.kind = Packet::ipv6, .protocol = 58}},
    {"Mld", {.kind = Packet::ipv6, .protocol = 58, .options = 1}},
    {"Udp6BehindThreeExtensions", {.kind = Packet::ipv6, .options = 3}},
    {"Arp", {.kind = Packet::arp}},
    {"ArpTagged", {.kind = Packet::arp, .tags = {7}}},
    {"OtherType", {.kind = Packet::other}},
    {"OtherTypeEmpty", {.kind = Packet::other, .payload = 0}},
    {"OtherTypeTagged", {.kind = Packet::other, .tags = {7}}},
};

class ContentTest : public ::testing::TestWithParam<Case> {};

TEST_P(ContentTest, ACopyIsACopyWhateverItsPaddingAndChecksum) {
    const Packet &p = GetParam().packet;
    const Frame bytes = built(broadcast_mac, peer_mac, p);
    const size_t wide = p.kind == Packet::other ? 60 : 64;
    Forward forward;

    EXPECT_TRUE(forward.pair.delivered(P, bytes));
    EXPECT_FALSE(forward.pair.delivered(S, changed_on_the_way(bytes, p, 0x1234, 60, 0xa5)));
    EXPECT_EQ(forward.in(S, changed_on_the_way(bytes, p, 0, wide, 0)), XDP_REDIRECT);
    EXPECT_EQ(forward.in(P, changed_on_the_way(bytes, p, 0xffff, 60, 1)), XDP_DROP);
    EXPECT_EQ(forward.pair.dp.counted(HL_COUNT_DROP_TWIN), 2U);
}

TEST_P(ContentTest, AnythingElseMakesAnotherFrame) {
    const Packet &p = GetParam().packet;
    const Frame bytes = built(broadcast_mac, peer_mac, p);
    Forward forward;

    EXPECT_TRUE(forward.pair.delivered(P, bytes));
    for (size_t at = 6; at<bytes.size(); at += bytes.size()> 200 ? 7 : 1) {
        if (size_t sum = checksum_at(p); sum && (at == sum || at == sum + 1)) continue;
        Frame other = bytes;
        other[at] ^= 0x01;
        EXPECT_TRUE(forward.pair.delivered(S, other)) << "byte " << at;
        EXPECT_EQ(forward.in(P, other), XDP_DROP) << "by XDP, byte " << at;
    }
    EXPECT_FALSE(forward.pair.delivered(S, bytes));
}

INSTANTIATE_TEST_SUITE_P(Frames, ContentTest, ::testing::ValuesIn(cases),
                         [](const auto &test) { return test.param.name; });

TEST(Content, APriorityTagIsNoVlan) {
    Pair pair{untouched()};
    EXPECT_TRUE(pair.delivered(P, built(broadcast_mac, peer_mac, {.tags = {0xe000}})));
    EXPECT_FALSE(pair.delivered(S, built(broadcast_mac, peer_mac, {})));
}

/// A length that lies is not believed beyond the frame.
TEST(Content, AFrameCutShortIsStillOfItsBytes) {
    Pair pair{untouched()};
    Frame bytes = built(broadcast_mac, peer_mac, {.payload = 200});
    bytes.resize(100);
    EXPECT_TRUE(pair.delivered(P, bytes));
    bytes.back() ^= 1;
    EXPECT_TRUE(pair.delivered(S, bytes));
    bytes.back() ^= 1;
    EXPECT_FALSE(pair.delivered(S, bytes));
}

TEST(Content, ALengthShorterThanItsHeaderIsNotBelieved) {
    Pair pair{untouched()};
    Frame bytes = built(broadcast_mac, peer_mac, {});
    bytes[16] = 0, bytes[17] = 4;
    EXPECT_TRUE(pair.delivered(P, bytes));
    bytes.back() ^= 1;
    EXPECT_TRUE(pair.delivered(S, bytes));
}

rc::Gen<Packet> packets() {
    return rc::gen::build<Packet>(
        rc::gen::set(&Packet::kind,
                     rc::gen::element(Packet::ipv4, Packet::ipv6, Packet::arp, Packet::other)),
        rc::gen::set(&Packet::protocol, rc::gen::element<uint8_t>(6, 17, 58, 1, 47)),
        rc::gen::set(&Packet::payload, rc::gen::inRange<size_t>(0, 600)),
        rc::gen::set(&Packet::options, rc::gen::inRange<size_t>(0, 4)),
        rc::gen::set(&Packet::fragment, rc::gen::element<uint16_t>(0, 0, 0x4000, 0x2000, 0x2008)),
        rc::gen::set(&Packet::tags, rc::gen::container<std::vector<uint16_t>>(
                                        rc::gen::inRange<uint16_t>(1, 4095))),
        rc::gen::set(&Packet::content, rc::gen::arbitrary<uint64_t>()));
}

TEST(ContentProperty, TcAndXdpAgreeOnEveryFrameHoweverItCame) {
    Forward forward;
    uint64_t run = 0;

    EXPECT_TRUE(rc::check([&] {
        Packet p = *packets();
        p.tags.resize(std::min<size_t>(p.tags.size(), 3));
        p.content ^= ++run << 40; // unlike those of other runs
        const auto checksum = *rc::gen::arbitrary<uint16_t>();
        const auto size = *rc::gen::inRange<size_t>(14, 61);
        const auto pad = *rc::gen::arbitrary<uint8_t>();
        const Frame bytes = built(multicast_mac, peer_mac, p);
        if (p.kind == Packet::other && bytes.size() < 40) return; // too short to be unlike any
        RC_ASSERT(forward.pair.delivered(P, bytes));
        RC_ASSERT(forward.in(S, changed_on_the_way(bytes, p, checksum, size, pad)) == XDP_DROP);
        RC_ASSERT(forward.in(S, bytes) == XDP_REDIRECT);
        RC_ASSERT(!forward.pair.delivered(P, changed_on_the_way(bytes, p, checksum, size, pad)));
    }));
}

} // namespace
} // namespace hitless::test
