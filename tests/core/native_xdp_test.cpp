// SPDX-License-Identifier: BSD-2-Clause
//
// Which NICs native XDP may carry frames of, and what the others are told.
#include "loader/core/native_xdp.hpp"

#include <gtest/gtest.h>

namespace hitless {
namespace {

constexpr XdpFeatures everything{true, true, true, true};
constexpr XdpFeatures one_piece{true, true, false, false};

NicAbilities able(const char *driver, std::optional<XdpFeatures> xdp = everything) {
    return {.name = "eth1", .driver = driver, .mtu = 1500, .xdp = xdp};
}

struct Case {
    const char *name;
    NicAbilities nic;
    const char *why;    // a word of it; "" when frames may be carried
    const char *remedy; // likewise; "" when nothing mends it
};

NicAbilities with(NicAbilities nic, auto change) {
    change(nic);
    return nic;
}

const Case receiving[] = {
    {"Able", able("igb"), "", ""},
    {"NoNativeXdp", able("e1000e", XdpFeatures{}), "no native XDP", ""},
    {"NoNativeXdpOnAnOldKernel", able("e1000e", std::nullopt), "no native XDP", ""},
    {"UnknownOnAnOldKernelIsTried", able("igb", std::nullopt), "", ""},
    {"StripsTags", with(able("igb"), [](auto &n) { n.strips_vlan = true; }), "VLAN", "rxvlan off"},
    {"Merges", with(able("ixgbe"), [](auto &n) { n.merges = true; }), "LRO", "lro off"},
    {"VethLeavesFramesUnfinished", able("veth"), "checksum", "--checksums-complete"},
    {"TapLeavesFramesUnfinished", able("tun"), "checksum", "--checksums-complete"},
    {"JumboInOnePieceOnly", with(able("igb", one_piece), [](auto &n) { n.mtu = 9000; }), "MTU 9000",
     "mtu 3498"},
    {"JumboInPieces", with(able("ice"), [](auto &n) { n.mtu = 9000; }), "", ""},
    {"TheLongestInOnePiece", with(able("igb", one_piece), [](auto &n) { n.mtu = 3498; }), "", ""},
};

const Case sending[] = {
    {"Able", able("igb"), "", ""},
    {"ReceivesOnly", able("x", XdpFeatures{true, false, true, false}), "sends no XDP", ""},
    {"VethOfADeafPeer", able("veth", XdpFeatures{true, false, true, false}), "other end", "gro on"},
    {"JumboInOnePieceOnly", with(able("tun", one_piece), [](auto &n) { n.mtu = 9000; }), "MTU 9000",
     "mtu"},
    {"UnknownOnAnOldKernel", able("igb", std::nullopt), "", ""},
};

const Case gating[] = {
    {"KeepsItsOffloads", able("hv_netvsc"), "", ""},
    {"VirtioGivesUpOffloads", able("virtio_net"), "gives up", ""},
    {"VethGivesUpOffloads", able("veth"), "gives up", ""},
    {"StripsTags", with(able("vmxnet3"), [](auto &n) { n.strips_vlan = true; }), "VLAN",
     "rxvlan off"},
};

void expect_refusal(const Case &c, const std::optional<Refusal> &got) {
    EXPECT_EQ(got.has_value(), *c.why != 0) << c.name << ": " << (got ? got->why : "");
    if (!got) return;
    EXPECT_NE(got->why.find(c.why), std::string::npos) << c.name << ": " << got->why;
    EXPECT_EQ(got->remedy.empty(), *c.remedy == 0) << c.name << ": " << got->remedy;
    EXPECT_NE(got->remedy.find(c.remedy), std::string::npos) << c.name << ": " << got->remedy;
}

TEST(Native, WhatIsReceivedIsRefusedForItsReason) {
    for (const Case &c : receiving)
        expect_refusal(c, why_no_native_receive(c.nic, false));
}

TEST(Native, WhoVouchesForFinishedFramesIsBelieved) {
    EXPECT_FALSE(why_no_native_receive(able("veth"), true));
    EXPECT_FALSE(why_no_native_receive(able("tun"), true));
}

TEST(Native, WhatIsSentIsRefusedForItsReason) {
    for (const Case &c : sending)
        expect_refusal(c, why_no_native_send(c.nic));
}

TEST(Native, TheGateCostsNoOffload) {
    for (const Case &c : gating)
        expect_refusal(c, why_no_gate(c.nic));
}

} // namespace
} // namespace hitless
