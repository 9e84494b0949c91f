// SPDX-License-Identifier: BSD-2-Clause
//
// Who speaks through a pair, by what the kernel lists.
#include "loader/kernel/wire/frames.hpp"
#include "loader/kernel/wire/stations.hpp"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

constexpr Mac pair_mac{{0x52, 0x54, 0, 0, 0, 2}}, other{{0x52, 0x54, 0, 0, 0, 3}};
constexpr VlanTag customer{0x8100, 10}, service{0x88a8, 20};

Link device(uint32_t index, const char *kind, uint32_t lower = 0, VlanTag vlan = {}) {
    Link out;
    out.index = Ifindex{index};
    out.kind = kind;
    out.mac = index == 2 ? pair_mac : other;
    out.lower = Ifindex{lower};
    out.vlan = vlan;
    out.up = out.carrier = true;
    return out;
}

Link port(Link link, uint32_t bridge) {
    link.master = Ifindex{bridge};
    link.master_kind = "bridge";
    return link;
}

std::vector<uint32_t> own(const std::vector<Link> &links) {
    std::vector<uint32_t> out;
    for (const Station &station : stations(links, Ifindex{2}, pair_mac).own)
        out.push_back(number(station.index));
    return out;
}

using Numbers = std::vector<uint32_t>;

TEST(Stations, AreTheMasterAndWhatStandsOnIt) {
    EXPECT_EQ(own({device(2, "")}), Numbers{2});
    EXPECT_EQ(own({device(9, "macvlan", 5), device(5, "vlan", 2, customer), device(2, ""),
                   device(7, "vlan", 3, customer), device(8, "bridge")}),
              (Numbers{2, 5, 9}));
    Link down = device(5, "macvlan", 2);
    down.up = false;
    EXPECT_EQ(own({device(2, ""), down}), Numbers{2});
}

TEST(Stations, TheBridgeThatHasTheMasterAsAPort) {
    std::vector<Link> links = {port(device(2, ""), 4),         device(4, "bridge"),
                               device(5, "vlan", 4, customer), port(device(6, "veth"), 4),
                               port(device(7, "veth"), 8),     device(8, "bridge")};
    Stations found = stations(links, Ifindex{2}, pair_mac);
    EXPECT_EQ(own(links), (Numbers{2, 4, 5}));
    EXPECT_EQ(found.own[1].mac, other);
    EXPECT_TRUE(found.own[1].tags.empty());
    ASSERT_EQ(found.ports.size(), 1U);
    EXPECT_EQ(found.ports[0].port, Ifindex{6});
    EXPECT_EQ(found.ports[0].way_out, Ifindex{2});
}

TEST(Stations, ABridgeOverAVlanSendsByIt) {
    Stations found = stations({device(2, ""), port(device(5, "vlan", 2, customer), 4),
                               device(4, "bridge"), port(device(6, "tun"), 4)},
                              Ifindex{2}, pair_mac);
    ASSERT_EQ(found.own.size(), 3U);
    EXPECT_EQ(found.own[2].tags, std::vector{customer});
    ASSERT_EQ(found.ports.size(), 1U);
    EXPECT_EQ(found.ports[0].way_out, Ifindex{5});
}

TEST(Stations, TagsStandInTheFrameTheOutermostFirst) {
    Stations found =
        stations({device(2, ""), device(5, "vlan", 2, service), device(6, "vlan", 5, customer)},
                 Ifindex{2}, pair_mac);
    ASSERT_EQ(found.own.size(), 3U);
    Frame frame(14, 0xff);
    put_tags(frame, found.own[2].tags);
    const Frame tags(frame.begin() + 12, frame.begin() + 20);
    EXPECT_EQ(tags, (Frame{0x88, 0xa8, 0, 20, 0x81, 0, 0, 10}));
    EXPECT_EQ(frame.size(), 22U);
}

// Devices that stand on each other in a circle, which the kernel forbids, end.
TEST(Stations, EachOnce) {
    EXPECT_EQ(own({port(device(2, "vlan", 4, customer), 4), device(4, "bridge")}), (Numbers{2, 4}));
}

} // namespace
} // namespace hitless::test
