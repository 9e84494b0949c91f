// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on a tap: both directions, nobody else heard, nothing spilt.
#include "loader/core/error.hpp"
#include "loader/host/tap_channel.hpp"
#include "tests/host/bed.hpp"

#include <map>
#include <poll.h>

namespace hitless::test {
namespace {

using testbed::PacketSocket;

ChannelMessage guest_says(uint64_t epoch) {
    return {.side = ChannelSide::guest,
            .id = {77, epoch},
            .echo = {},
            .guest = {true, GuestPrimary::none, 0},
            .host = {}};
}

ChannelMessage host_says(uint64_t epoch) {
    return {.side = ChannelSide::host,
            .id = {88, epoch},
            .echo = {},
            .guest = {},
            .host = {DataPath::primary, DataPath::standby, 5000}};
}

constexpr Mac mac{{0x52, 0x54, 0, 0x77, 1, 2}};

class TapChannelTest : public HostBed {
  protected:
    TapChannelTest() {
        sh("ip link set br0 type bridge group_fwd_mask 65528"); // all that the kernel allows
        for (const char *port : {"tap1", "tap2", "vf1", "uplink"})
            testbed::run(
                {"ip", "link", "set", port, "type", "bridge_slave", "group_fwd_mask", "65528"});
        channel_.emplace(pins());
    }
    TapChannel &channel() { return *channel_; }
    void restart() {
        channel_.reset();
        channel_.emplace(pins());
    }
    void attach(const char *tap) { channel().programs().attach(link(tap).index, tap); }
    uint64_t count(const char *tap, hl_tap_count what) {
        return channel().programs().counts(link(tap).index).counts[what];
    }

    /// What was heard of each tap, until nothing comes for a while.
    std::map<uint32_t, std::vector<ChannelMessage>> hear() {
        std::map<uint32_t, std::vector<ChannelMessage>> out;
        pollfd wait{channel().fd(), POLLIN, 0};
        while (poll(&wait, 1, 100) > 0)
            channel().read([&](Ifindex tap, const Mac &source, const DecodedMessage &m) {
                EXPECT_EQ(source, mac);
                EXPECT_EQ(m.fault, MessageFault::none);
                out[number(tap)].push_back(m.message);
            });
        return out;
    }

  private:
    std::optional<TapChannel> channel_;
};

TEST_F(TapChannelTest, BothSidesHearEachOther) {
    attach("tap1");
    attach("tap2");
    PacketSocket guest = on(guest1(), "standby", HL_CHANNEL_ETHERTYPE);
    guest.send(encode_frame(mac, guest_says(5)));
    auto heard = hear();
    ASSERT_EQ(heard.size(), 1u);
    ASSERT_EQ(heard[number(link("tap1").index)].size(), 1u);
    EXPECT_EQ(heard[number(link("tap1").index)][0], guest_says(5));
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_HEARD), 1u);

    ASSERT_TRUE(channel().send(link("tap1"), host_says(6)));
    auto frame = guest.next(1s);
    ASSERT_TRUE(frame);
    EXPECT_EQ(decode_frame(frame->bytes).message, host_says(6));
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_FOREIGN), 0u);
}

/// A bridge that forwards what no bridge should. Without the programs it does spill: the control.
TEST_F(TapChannelTest, NothingLeavesTheTapsOwnWire) {
    std::vector<PacketSocket> others;
    others.push_back(on(guest2(), "standby", HL_CHANNEL_ETHERTYPE));
    others.push_back(on(guest1(), "primary", HL_CHANNEL_ETHERTYPE));
    others.push_back(on(far(), "lan", HL_CHANNEL_ETHERTYPE));
    PacketSocket guest = on(guest1(), "standby", HL_CHANNEL_ETHERTYPE);
    std::vector<uint8_t> frame = encode_frame(mac, guest_says(5)), tagged = frame;
    tagged.insert(tagged.begin() + 12, {0x81, 0, 0, 7});
    guest.send(frame);
    for (PacketSocket &other : others)
        EXPECT_GE(waiting(other, 500ms), 1u) << "the control: this bridge forwards them";

    attach("tap1");
    for (int i = 0; i < 5; i++) {
        guest.send(frame);
        guest.send(tagged);
    }
    EXPECT_EQ(hear()[number(link("tap1").index)].size(), 5u);
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_TAGGED), 5u);
    for (PacketSocket &other : others)
        EXPECT_EQ(waiting(other), 0u);
    // A neighbour's frame to the same address, of another kind, still goes where it went.
    std::vector<uint8_t> lldp = frame;
    lldp[12] = 0x88, lldp[13] = 0xcc;
    PacketSocket all = on(far(), "lan", 0x88cc);
    guest.send(lldp);
    EXPECT_EQ(waiting(all, 500ms), 1u);
}

/// From the network, from another guest, from this guest's own primary, and from a process of the
/// host's that has no mark; behind a tag too.
TEST_F(TapChannelTest, NobodyElseSpeaksToAGuest) {
    PacketSocket guest = on(guest1(), "standby");
    std::vector<uint8_t> frame = encode_frame(Mac{{2, 0, 0, 0, 0, 9}}, host_says(5)),
                         tagged = frame;
    tagged.insert(tagged.begin() + 12, {0x81, 0, 0, 7});
    auto everybody = [&] {
        on(far(), "lan").send(frame);
        on(far(), "lan").send(tagged);
        on(guest2(), "standby").send(frame);
        on(guest1(), "primary").send(frame);
        try {
            PacketSocket("tap1").send(frame);
        } catch (const Error &error) { // the guard's answer to who is on this machine
            EXPECT_EQ(error.code(), ENOBUFS);
        }
    };
    auto ours = [&] {
        size_t out = 0;
        while (auto got = guest.next(out ? 20ms : 300ms))
            out += got->bytes[12] == 0x88 && got->bytes[13] == 0xb5;
        return out;
    };
    everybody();
    EXPECT_EQ(ours(), 5u) << "the control: without the guard all of them arrive";
    attach("tap1");
    everybody();
    EXPECT_EQ(ours(), 0u);
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_FOREIGN), 5u);
    EXPECT_TRUE(hear().empty()) << "nor are they heard as the guest";

    // The guard outlives the daemon that set it up, and the next one speaks.
    restart();
    everybody();
    EXPECT_EQ(ours(), 0u);
    attach("tap1");
    ASSERT_TRUE(channel().send(link("tap1"), host_says(6)));
    EXPECT_EQ(ours(), 1u);
}

TEST_F(TapChannelTest, AFloodCostsTheFlooderAlone) {
    attach("tap1");
    attach("tap2");
    PacketSocket loud = on(guest1(), "standby"), quiet = on(guest2(), "standby");
    constexpr unsigned flood = 20'000;
    std::vector<uint8_t> frame = encode_frame(mac, guest_says(1));
    // Nobody reads meanwhile, which is the worst.
    const auto start = testbed::now_ns();
    for (unsigned i = 0; i < flood; i++)
        loud.send(frame);
    for (uint64_t i = 1; i <= 5; i++)
        quiet.send(encode_frame(mac, guest_says(i)));
    const auto seconds = static_cast<double>(testbed::now_ns() - start) / 1e9;
    auto heard = hear();
    const auto of_loud = heard[number(link("tap1").index)].size();
    EXPECT_EQ(heard[number(link("tap2").index)].size(), 5u);
    EXPECT_GE(of_loud, HL_TAP_BURST);
    // Two CPUs may both find room.
    EXPECT_LE(static_cast<double>(of_loud), 2 * (HL_TAP_BURST + 1 + seconds * 1e9 / HL_TAP_GAP_NS));
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_LIMITED) + of_loud, flood);
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_FULL) + count("tap2", HL_TAP_COUNT_FULL), 0u);
}

TEST_F(TapChannelTest, OneWakeUpAMessage) {
    attach("tap1");
    PacketSocket guest = on(guest1(), "standby");
    unsigned wakeups = 0, messages = 0;
    for (uint64_t i = 1; i <= 20; i++) {
        guest.send(encode_frame(mac, guest_says(i)));
        pollfd wait{channel().fd(), POLLIN, 0};
        ASSERT_EQ(poll(&wait, 1, 1000), 1);
        wakeups++;
        channel().read([&](Ifindex, const Mac &, const DecodedMessage &) { messages++; });
        EXPECT_EQ(poll(&wait, 1, 0), 0) << "what was read wakes nobody again";
    }
    EXPECT_EQ(messages, wakeups);
}

TEST_F(TapChannelTest, ShortAndMalformedOnesAreCountedNotObeyed) {
    attach("tap1");
    PacketSocket guest = on(guest1(), "standby");
    std::vector<uint8_t> frame = encode_frame(mac, guest_says(1)), cut = frame;
    cut.resize(60);
    guest.send(cut);
    frame[14] ^= 1;
    guest.send(frame);
    std::vector<MessageFault> faults;
    pollfd wait{channel().fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 1000), 1);
    channel().read(
        [&](Ifindex, const Mac &, const DecodedMessage &m) { faults.push_back(m.fault); });
    EXPECT_EQ(faults, std::vector{MessageFault::foreign});
    EXPECT_EQ(count("tap1", HL_TAP_COUNT_SHORT), 1u);
}

TEST_F(TapChannelTest, WishesOutliveTheDaemonAndNotTheTap) {
    attach("tap1");
    const Ifindex before = link("tap1").index;
    EXPECT_EQ(channel().programs().request(before), HL_TAP_REQUEST_NONE);
    channel().programs().set_request(before, HL_TAP_REQUEST_TAKE);
    restart();
    EXPECT_EQ(channel().programs().pinned(), std::vector{before});
    EXPECT_TRUE(channel().programs().attached(before));
    attach("tap1");
    EXPECT_EQ(channel().programs().request(before), HL_TAP_REQUEST_TAKE);
    sh("ip link del tap1; ip link add tap1 type veth peer name new1");
    EXPECT_FALSE(channel().programs().attached(before));
    attach("tap1");
    EXPECT_EQ(channel().programs().request(link("tap1").index), HL_TAP_REQUEST_NONE);
    channel().programs().detach(before);
    channel().programs().detach(link("tap1").index);
    EXPECT_TRUE(channel().programs().pinned().empty());
}

} // namespace
} // namespace hitless::test
