// SPDX-License-Identifier: BSD-2-Clause
//
// Messages on a stream of bytes: however they are cut, and whatever is between them.
#include "loader/kernel/wire/channel_port.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

namespace hitless::test {
namespace {

class ChannelPortTest : public testing::Test {
  protected:
    void SetUp() override {
        int host = -1, guest = -1;
        termios raw{};
        cfmakeraw(&raw);
        char name[64];
        ASSERT_EQ(openpty(&host, &guest, name, &raw, nullptr), 0);
        host_ = Fd(host);
        keep_ = Fd(guest);
        port_ = std::make_unique<ChannelPort>(name);
        ASSERT_GE(port_->fd(), 0);
    }
    static ChannelMessage message(uint64_t epoch) {
        return {.side = ChannelSide::host,
                .version = 1,
                .answer = true,
                .adopted = false,
                .id = {7, epoch},
                .echo = {},
                .guest = {},
                .host = {DataPath::standby, DataPath::standby, 5000}};
    }
    void write(std::span<const uint8_t> bytes) {
        ASSERT_EQ(::write(host_.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    /// Epochs of sound messages; 0: one that is not.
    std::vector<uint64_t> heard() {
        std::vector<uint64_t> out;
        port_->read([&](const DecodedMessage &m) {
            out.push_back(m.fault == MessageFault::none ? m.message.id.epoch : 0);
        });
        return out;
    }

    Fd host_, keep_;
    std::unique_ptr<ChannelPort> port_;
};

using Epochs = std::vector<uint64_t>;

TEST_F(ChannelPortTest, AMessageIsHeardHoweverItIsCut) {
    const std::vector<uint8_t> bytes = encode_message(message(3));
    for (size_t cut = 1; cut < bytes.size(); cut++) {
        write(std::span(bytes).first(cut));
        ASSERT_EQ(heard(), Epochs{}) << cut;
        write(std::span(bytes).subspan(cut));
        ASSERT_EQ(heard(), Epochs{3}) << cut;
    }
}

TEST_F(ChannelPortTest, SeveralAtOnceAndWhatIsBetween) {
    std::vector<uint8_t> bytes = {'h', 'l', 'h', 0, 255, 'h'};
    for (uint64_t epoch : {1, 2, 3}) {
        const std::vector<uint8_t> one = encode_message(message(epoch));
        bytes.insert(bytes.end(), one.begin(), one.end());
        if (epoch == 2) bytes.insert(bytes.end(), {'n', 'o', 'i', 's', 'e', 'h', 'l'});
    }
    write(bytes);
    EXPECT_EQ(heard(), (Epochs{1, 2, 3}));
}

TEST_F(ChannelPortTest, WhatOnlyBeginsLikeOneIsPassedOver) {
    std::vector<uint8_t> bytes = encode_message(message(1));
    bytes[6] = 99; // the side
    const std::vector<uint8_t> sound = encode_message(message(2));
    bytes.insert(bytes.end(), sound.begin(), sound.end());
    write(bytes);
    EXPECT_EQ(heard(), (Epochs{0, 2}));
}

TEST_F(ChannelPortTest, SpeaksInTheSameWay) {
    ASSERT_TRUE(port_->send(message(9)));
    uint8_t bytes[128];
    const ssize_t length = ::read(host_.get(), bytes, sizeof(bytes));
    ASSERT_EQ(length, static_cast<ssize_t>(sizeof(hl_channel_message)));
    EXPECT_EQ(decode_message({bytes, sizeof(hl_channel_message)}).message, message(9));
}

TEST(ChannelPort, AMachineNeedsNone) {
    ChannelPort none("/dev/virtio-ports/there-is-no-such-port");
    EXPECT_EQ(none.fd(), -1);
    EXPECT_FALSE(none.send({}));
}

} // namespace
} // namespace hitless::test
