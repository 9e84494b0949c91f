// SPDX-License-Identifier: BSD-2-Clause
//
// Frames as a hostile guest, or a hostile host, might send them. What is taken for a message must
// be one: it is the same when it is written and read again. A conversation with such a side stays
// bounded.
#include "loader/core/guest_channel.hpp"
#include "loader/core/host_channel.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace hitless;

void must(bool holds) {
    if (!holds) abort();
}

/// What the parser promises to those who read a message.
void check(const ChannelMessage &message) {
    auto named = [](auto value) { return name(value)[0] != '?'; };
    must(message.side == ChannelSide::guest || message.side == ChannelSide::host);
    must(message.id.nonce && message.id.epoch);
    must(!message.echo.nonce == !message.echo.epoch);
    must(!message.adopted || message.echo.nonce);
    must(named(message.guest.primary) && named(message.host.want) && named(message.host.downlink));
    ChannelMessage again = decode_message(encode_message(message)).message;
    again.version = message.version; // what we write is of our version
    must(again == message);
}

/// Each message that the bytes hold, and a little time, is given to both sides.
void converse(std::span<const uint8_t> bytes) {
    constexpr uint64_t guest_nonce = 1, host_nonce = 2; // which the fuzzer shall find
    GuestChannel guest(guest_nonce, 1);
    HostChannel host({}, host_nonce);
    Instant now{0};
    unsigned sent = 0;
    while (bytes.size() >= 1) {
        now += std::chrono::milliseconds(bytes[0] % 64);
        bool give = bytes[0] & 64, primary = bytes[0] & 128;
        size_t size = std::min(bytes.size() - 1, sizeof(hl_channel_message));
        DecodedMessage heard = decode_message(bytes.subspan(1, size));
        if (heard.fault == MessageFault::none) {
            guest.hear(heard.message, now);
            host.hear(heard.message, now);
        }
        auto said = host.step({.give = give,
                               .downlink = primary ? DataPath::primary : DataPath::standby,
                               .plugged = {}},
                              now);
        must(said.deliver != DataPath::primary || give);
        sent += said.send.has_value();
        sent += guest.step({.able = true}, now).send.has_value();
        bytes = bytes.subspan(1 + size);
    }
    auto ms = static_cast<unsigned>(now / Instant(std::chrono::milliseconds(1)));
    must(sent <= 2 * (65 + ms));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    std::vector<uint8_t> exact(data, data + size); // so that a byte read beyond the end is seen
    DecodedMessage frame = decode_frame(exact);
    DecodedMessage message = decode_message(exact);
    for (const DecodedMessage &decoded : {frame, message})
        if (decoded.fault == MessageFault::none) check(decoded.message);
    converse(exact);
    return 0;
}
