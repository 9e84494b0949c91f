// SPDX-License-Identifier: BSD-2-Clause
//
// Protocols of the link belong to the port: a daemon's socket on either NIC hears what came by it,
// and the master hears it too.
#include "selftests/pair_test.hpp"
#include "testbed/raw.hpp"

namespace hitless::selftest {
namespace {

struct Protocol {
    const char *name, *to;
    std::uint16_t type;
};
constexpr Protocol protocols[] = {
    {"PTP", "011b19000000", 0x88f7},         {"PTP peer delay", "0180c200000e", 0x88f7},
    {"LLDP", "0180c200000e", 0x88cc},        {"EAPOL", "0180c2000003", 0x888e},
    {"EAPOL to us", "525400770002", 0x888e}, {"LACP", "0180c2000002", 0x8809},
};
constexpr int frames = 20;

int heard(PacketSocket &socket) {
    int n = 0;
    while (n < frames && socket.next(1s))
        n++;
    while (socket.next(20ms))
        n++;
    return n;
}

class PortProtocol : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    /// Straight out of the switch's port, as a switch's own daemon sends.
    void send_by(Nic &nic, const Protocol &p) {
        PacketSocket port =
            in_netns(bed().switch_ns(), [&] { return PacketSocket(nic.port(), 0x88b6); });
        for (int i = 0; i < frames; i++) {
            auto frame = from_hex(
                fmt::format("{} 525400770099 {:04x} {:02x}", p.to, p.type, serial_++ & 0xff));
            frame.resize(60);
            port.send(frame);
        }
    }

  private:
    unsigned serial_ = 0;
};

TEST_P(PortProtocol, IsHeardOnItsNicAndOnTheMaster) {
    for (Nic *nic : {&bed().primary(), &bed().standby()}) {
        for (const Protocol &p : protocols) {
            PacketSocket port =
                in_netns(nic->where(), [&] { return PacketSocket(nic->ifname(), p.type); });
            PacketSocket master =
                in_netns(bed().guest(), [&] { return PacketSocket(pair().master(), p.type); });
            send_by(*nic, p);
            EXPECT_EQ(heard(port), frames) << p.name << " on " << nic->ifname();
            EXPECT_EQ(heard(master), frames) << p.name << " on the master";
        }
    }
}

TEST_P(PortProtocol, OthersAreTheMastersAlone) {
    const Protocol other{"other", "ffffffffffff", 0x88b5};
    PacketSocket port = in_netns(bed().primary().where(), [&] {
        return PacketSocket(bed().primary().ifname(), other.type);
    });
    PacketSocket master =
        in_netns(bed().guest(), [&] { return PacketSocket(pair().master(), other.type); });
    send_by(bed().primary(), other);
    EXPECT_EQ(heard(master), frames);
    EXPECT_FALSE(port.next(20ms));
}

HL_INSTANTIATE_MODELS(PortProtocol);

} // namespace
} // namespace hitless::selftest
