// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/siphash.hpp"
#include "tests/core/channel_world.hpp"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

ChannelMessage host_word() {
    return {.side = ChannelSide::host,
            .version = 1,
            .answer = true,
            .adopted = true,
            .id = {0x0102030405060708, 9},
            .echo = {3, 4},
            .guest = {},
            .host = {DataPath::primary, DataPath::standby, 5000}};
}

ChannelMessage guest_word() {
    return {.side = ChannelSide::guest,
            .version = 1,
            .answer = false,
            .adopted = false,
            .id = {7, 8},
            .echo = {},
            .guest = {true, GuestPrimary::left, 70000},
            .host = {}};
}

TEST(ChannelMessageBytes, ComeBackAsTheyWere) {
    for (const ChannelMessage &message : {host_word(), guest_word()}) {
        DecodedMessage bare = decode_message(encode_message(message));
        ASSERT_EQ(bare.fault, MessageFault::none);
        EXPECT_EQ(bare.message, message);
        DecodedMessage framed = decode_frame(encode_frame(Mac{{2, 0, 0, 0, 0, 1}}, message));
        ASSERT_EQ(framed.fault, MessageFault::none);
        EXPECT_EQ(framed.message, message);
    }
}

TEST(ChannelMessageBytes, AreInNetworkByteOrder) {
    std::vector<uint8_t> frame = encode_frame(Mac{{2, 0, 0, 0, 0, 1}}, host_word());
    ASSERT_EQ(frame.size(), HL_CHANNEL_FRAME);
    std::vector<uint8_t> start = {0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 'h',
                                  'l',  'h',  'c',  1, 1, 2,    3, 1, 2, 3, 4, 5, 6,    7,    8};
    EXPECT_TRUE(std::equal(start.begin(), start.end(), frame.begin()));
}

TEST(ChannelMessageBytes, MayBeLongerAndNewerButNotShorter) {
    std::vector<uint8_t> bytes = encode_message(host_word());
    bytes.resize(bytes.size() + 20); // padding, or fields of a newer version
    bytes[offsetof(hl_channel_message, version)] = 9;
    DecodedMessage longer = decode_message(bytes);
    ASSERT_EQ(longer.fault, MessageFault::none);
    EXPECT_EQ(longer.message.version, 9);
    bytes[offsetof(hl_channel_message, oldest)] = 2;
    EXPECT_EQ(decode_message(bytes).fault, MessageFault::too_new);

    bytes = encode_message(host_word());
    for (size_t size = 0; size < bytes.size(); size++)
        EXPECT_EQ(decode_message(std::span(bytes).first(size)).fault,
                  size < offsetof(hl_channel_message, nonce) ? MessageFault::foreign
                                                             : MessageFault::malformed);
}

/// A byte of a sound message is changed.
void expect_malformed(size_t offset, uint8_t value, size_t bytes_after = 0) {
    std::vector<uint8_t> bytes = encode_message(host_word());
    bytes[offset] = value;
    for (size_t i = 1; i <= bytes_after; i++)
        bytes[offset + i] = 0;
    EXPECT_EQ(decode_message(bytes).fault, MessageFault::malformed) << offset;
}

TEST(ChannelMessageBytes, AreRefusedWithAValueThatThereIsNot) {
    expect_malformed(offsetof(hl_channel_message, side), 0);
    expect_malformed(offsetof(hl_channel_message, side), 3);
    expect_malformed(offsetof(hl_channel_message, nonce), 0, 7);
    expect_malformed(offsetof(hl_channel_message, epoch), 0, 7);
    expect_malformed(offsetof(hl_channel_message, echo_nonce), 0, 7); // an epoch of nobody
    expect_malformed(offsetof(hl_channel_message, echo_epoch), 0, 7);
    expect_malformed(offsetof(hl_channel_message, able), 2);
    expect_malformed(offsetof(hl_channel_message, primary), HL_CHANNEL_PRIMARIES);
    expect_malformed(offsetof(hl_channel_message, want), HL_CHANNEL_PATHS);
    expect_malformed(offsetof(hl_channel_message, downlink), HL_CHANNEL_PATHS);
}

TEST(ChannelMessageBytes, OfOthersAreForeign) {
    std::vector<uint8_t> frame = encode_frame(Mac{}, host_word());
    for (size_t changed : {0u, 5u, 12u, 13u, 14u}) { // address, EtherType, magic
        std::vector<uint8_t> other = frame;
        other[changed] ^= 1;
        EXPECT_EQ(decode_frame(other).fault, MessageFault::foreign) << changed;
    }
}

using Step = ChannelStep;

TEST(AConversation, GivesAndTakesInOrder) {
    ChannelWorld world(1, {});
    world.apply({Step::host_starts, milliseconds(0)});
    world.apply({Step::controller_starts, milliseconds(0)});
    world.apply({Step::give, milliseconds(100)});
    world.run(world.now() + milliseconds(300));
    EXPECT_EQ(world.host().phase(), HostChannel::Phase::given);
    EXPECT_TRUE(world.uses_primary());
    world.apply({Step::take, milliseconds(0)});
    world.run(world.now() + milliseconds(200)); // less than the deadline
    EXPECT_EQ(world.host().phase(), HostChannel::Phase::taken);
    EXPECT_FALSE(world.host().overdue());
    EXPECT_FALSE(world.plugged());
}

TEST(AConversation, TakesAtTheDeadlineFromAGuestThatIsSilent) {
    ChannelWorld world(1, {});
    world.apply({Step::host_starts, milliseconds(0)});
    world.apply({Step::controller_starts, milliseconds(0)});
    world.apply({Step::give, milliseconds(100)});
    world.run(world.now() + milliseconds(300));
    world.apply({Step::controller_dies, milliseconds(0)});
    world.apply({Step::take, milliseconds(0)});
    world.run(world.now() + milliseconds(249));
    EXPECT_EQ(world.downlink(), DataPath::primary);
    world.run(world.now() + milliseconds(1));
    EXPECT_EQ(world.downlink(), DataPath::standby);
    EXPECT_TRUE(world.host().overdue());
}

/// Its operator has chosen the standby.
TEST(AHost, GivesNothingToAGuestThatIsNotAble) {
    HostChannel host({}, 77);
    const GuestStatement not_able{false, GuestPrimary::ready, 0};
    Instant now = std::chrono::seconds(1);
    for (uint64_t epoch = 1; epoch < 20; epoch++, now += milliseconds(50)) {
        HostChannel::Actions actions = host.step({true, DataPath::standby, std::nullopt}, now);
        EXPECT_FALSE(actions.deliver) << epoch;
        ChannelMessage word{.side = ChannelSide::guest,
                            .version = 1,
                            .answer = false,
                            .adopted = true,
                            .id = {9, epoch},
                            .echo = actions.send ? actions.send->id : StatementId{},
                            .guest = not_able,
                            .host = {}};
        host.hear(word, now);
    }
    ASSERT_TRUE(host.guest());
    EXPECT_EQ(host.phase(), HostChannel::Phase::waiting);
}

/// What runs then may know nothing of two NICs with one address.
TEST(AConversation, AResetWithdrawsThePrimaryUntilTheGuestIsAble) {
    ChannelWorld world(1, {});
    world.apply({Step::host_starts, milliseconds(0)});
    world.apply({Step::controller_starts, milliseconds(0)});
    world.apply({Step::give, milliseconds(100)});
    world.run(world.now() + milliseconds(300));
    ASSERT_TRUE(world.plugged());
    world.apply({Step::controller_dies, milliseconds(0)});
    world.apply({Step::reset, milliseconds(0)});
    world.run(world.now() + milliseconds(1000));
    EXPECT_EQ(world.downlink(), DataPath::standby);
    EXPECT_FALSE(world.plugged());
    world.apply({Step::controller_starts, milliseconds(0)});
    world.run(world.now() + milliseconds(1500));
    EXPECT_TRUE(world.plugged());
    EXPECT_TRUE(world.uses_primary());
}

TEST(AConversation, EndsWithTheLease) {
    ChannelWorld world(1, {});
    world.apply({Step::host_starts, milliseconds(0)});
    world.apply({Step::controller_starts, milliseconds(0)});
    world.apply({Step::host_dies, milliseconds(1000)});
    EXPECT_TRUE(world.guest().host());
    world.run(world.now() + milliseconds(6000));
    EXPECT_FALSE(world.guest().host());
    world.run(world.now() + milliseconds(10'000));
    unsigned sent = world.guest_messages;
    world.run(world.now() + milliseconds(60'000));
    EXPECT_EQ(world.guest_messages, sent); // and the guest is silent again
}

/// What the guest's boot `nonce` answers to the host's last message.
ChannelMessage answer(uint64_t nonce, const ChannelMessage &to, bool adopted = true) {
    ChannelMessage message = guest_word();
    message.id = {nonce, 1};
    message.echo = to.id;
    message.adopted = adopted;
    return message;
}

/// Two exchanges, after which `nonce` is adopted. Returns the last answer.
ChannelMessage introduce(Conversation &host, uint64_t nonce, Instant now) {
    ChannelMessage last;
    for (int i = 0; i < 2; i++) {
        last = answer(nonce, *host.send(now));
        host.hear(last, now);
    }
    return last;
}

TEST(AHost, DoesNotTakeABootThatIsOverForItsGuest) {
    Conversation host(ChannelSide::host, 2, 1);
    ChannelMessage late = introduce(host, 10, Instant(0));
    ASSERT_TRUE(host.peer());
    EXPECT_EQ(host.peer()->id.nonce, 10u);
    introduce(host, 11, Instant(1));
    EXPECT_EQ(host.peer()->id.nonce, 11u);
    for (int i = 0; i < 3; i++) // the network kept some, which echo us rightly
        EXPECT_FALSE(host.hear(late, Instant(2)));
    EXPECT_EQ(host.peer()->id.nonce, 11u);
}

TEST(AHost, CountsOnNoEchoOfAGuestThatDoesNotObeyIt) {
    Conversation host(ChannelSide::host, 2, 1);
    introduce(host, 10, Instant(0));
    host.state(HostStatement{DataPath::standby, DataPath::primary, 5000});
    ChannelMessage heard = answer(10, *host.send(Instant(1)), false);
    heard.id.epoch++;
    EXPECT_TRUE(host.hear(heard, Instant(1)));
    EXPECT_FALSE(host.obeyed_since(host.epoch()));
    heard.adopted = true;
    EXPECT_TRUE(host.hear(heard, Instant(1)));
    EXPECT_TRUE(host.obeyed_since(host.epoch()));
}

TEST(AHost, SaysAtOnceWhomItTakesForItsGuest) {
    Conversation host(ChannelSide::host, 2, 1);
    introduce(host, 10, Instant(0));
    std::optional<ChannelMessage> said = host.send(Instant(0));
    ASSERT_TRUE(said);
    EXPECT_TRUE(said->adopted);
    EXPECT_TRUE(said->answer); // and again until it is heard
}

/// Each turn costs the host a move there and back.
TEST(AHost, GivesMoreSlowlyToAGuestThatLosesItsPrimaryAllTheTime) {
    ChannelWorld world(1, {});
    world.apply({Step::host_starts, milliseconds(0)});
    world.apply({Step::controller_starts, milliseconds(0)});
    world.apply({Step::give, milliseconds(100)});
    const auto turn = [&](int times) {
        unsigned before = world.deliveries;
        for (int i = 0; i < times; i++)
            world.apply({Step::carrier, milliseconds(10)});
        return world.deliveries - before;
    };
    world.run(world.now() + milliseconds(1000));
    EXPECT_LE(turn(1000), 2u * 8) << "0.1 + 0.2 + ... + 6.4 s are more than these 10 s";
    EXPECT_GT(turn(10'000), 2u * 8) << "and yet it gets it each 10 s";
    world.run(world.now() + milliseconds(10'000));
    EXPECT_TRUE(world.uses_primary());
    world.run(world.now() + milliseconds(10'000));
    turn(1);
    world.run(world.now() + milliseconds(10));
    turn(1);
    world.run(world.now() + milliseconds(200));
    EXPECT_TRUE(world.uses_primary()) << "that was long ago";
    turn(1000);
    world.apply({Step::take, milliseconds(0)});
    world.run(world.now() + milliseconds(300));
    world.apply({Step::give, milliseconds(0)});
    world.run(world.now() + milliseconds(300));
    EXPECT_TRUE(world.uses_primary()) << "somebody asks for it";
}

/// A guest that migrates hither has its tap here long before it runs here, and one that has left
/// keeps it for a while.
TEST(AHost, LeavesWhatRunsElsewhere) {
    for (bool give : {true, false}) {
        HostChannel host({}, 2);
        HostChannel::Input input{give, DataPath::unknown, std::nullopt, true};
        for (int ms = 0; ms < 5000; ms++)
            EXPECT_FALSE(host.step(input, milliseconds(ms)).deliver);
        EXPECT_EQ(host.phase(), HostChannel::Phase::absent);
        ChannelMessage said = guest_word(); // it has left its primary
        for (int i = 0; i < 3; i++) {
            auto sent = host.step(input, milliseconds(6000 + i)).send;
            if (!sent) continue;
            said.echo = sent->id;
            host.hear(said, milliseconds(6000 + i));
        }
        ASSERT_TRUE(host.guest());
        EXPECT_FALSE(host.step(input, milliseconds(8000)).deliver)
            << "it may have left a moment ago";
        EXPECT_NE(host.phase(), HostChannel::Phase::absent) << "and it was heard here";
        EXPECT_FALSE(host.step(input, milliseconds(9100)).deliver);
        EXPECT_EQ(host.phase(), HostChannel::Phase::absent) << "not any more";
        said.guest.primary = GuestPrimary::present;
        said.id.epoch++;
        host.hear(said, milliseconds(9200));
        auto actions = host.step(input, milliseconds(9300));
        EXPECT_EQ(actions.deliver, DataPath::standby) << "it is here, and may send by its primary";
    }
}

/// Wherever the bridge has heard its address: a take withdraws the device.
TEST(AHost, UnplugsWhatRunsElsewhereForAllThatIsHeard) {
    HostChannel host({}, 2);
    const HostChannel::Input input{false, DataPath::unknown, true, true};
    HostChannel::Actions actions = host.step(input, milliseconds(0));
    EXPECT_FALSE(actions.unplug) << "it has its time to leave";
    ASSERT_TRUE(actions.again);
    actions = host.step(input, milliseconds(250));
    EXPECT_TRUE(actions.unplug);
    EXPECT_FALSE(actions.deliver);
    EXPECT_EQ(host.phase(), HostChannel::Phase::unplugging);
    host.step({false, DataPath::unknown, false, true}, milliseconds(300));
    EXPECT_EQ(host.phase(), HostChannel::Phase::absent);
}

TEST(AGuest, SaysNothingUnasked) {
    GuestChannel guest(1, 1);
    auto actions = guest.step({.able = true, .primary = GuestPrimary::in_use}, Instant(0));
    EXPECT_FALSE(actions.send);
    EXPECT_FALSE(actions.again);
    EXPECT_FALSE(actions.veto);
}

TEST(AGuest, KeepsAVetoThatAnotherControllerLeftForALeaseAndThenDoubts) {
    GuestChannel guest(1, 1);
    GuestChannel::Input found{.able = true, .primary = GuestPrimary::ready, .vetoed = true};
    auto actions = guest.step(found, Instant(0));
    EXPECT_TRUE(actions.veto);
    ASSERT_TRUE(actions.again);
    actions = guest.step(found, *actions.again);
    EXPECT_FALSE(actions.veto);
    EXPECT_TRUE(actions.unproven);
}

/// The vectors of its authors: the key 00 01 .. 0f, and of the message 00 01 .. no byte and eight.
TEST(SipHash, IsSipHash24) {
    constexpr uint64_t key[] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    EXPECT_EQ(SipHash(key[0], key[1])({}), 0x726fdb47dd0e0e31);
    EXPECT_EQ(SipHash(key[0], key[1])({key, 1}), 0x93f5f5799a932462);
}

} // namespace
} // namespace hitless::test
