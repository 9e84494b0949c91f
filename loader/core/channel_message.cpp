// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/channel_message.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace hitless {
namespace {

constexpr std::array<uint8_t, 6> channel_address = HL_CHANNEL_ADDRESS;
constexpr size_t header = 14;

/// Between this machine's byte order and the network's.
template <typename Integer>
Integer network(Integer value) {
    if constexpr (std::endian::native == std::endian::big || sizeof value == 1)
        return value;
    else if constexpr (sizeof value == 4)
        return __builtin_bswap32(value);
    else
        return __builtin_bswap64(value);
}

bool sound(const hl_channel_message &raw) {
    bool guest = raw.side == HL_CHANNEL_GUEST, host = raw.side == HL_CHANNEL_HOST;
    return (guest || host) && raw.nonce && raw.epoch && !raw.echo_nonce == !raw.echo_epoch &&
           !(raw.flags & HL_CHANNEL_ADOPTED && !raw.echo_nonce) && raw.able <= 1 &&
           raw.primary < HL_CHANNEL_PRIMARIES && raw.want < HL_CHANNEL_PATHS &&
           raw.downlink < HL_CHANNEL_PATHS;
}

ChannelMessage read(const hl_channel_message &raw) {
    ChannelMessage message{.side = static_cast<ChannelSide>(raw.side),
                           .version = raw.version,
                           .answer = (raw.flags & HL_CHANNEL_ANSWER) != 0,
                           .adopted = (raw.flags & HL_CHANNEL_ADOPTED) != 0,
                           .id = {network(raw.nonce), network(raw.epoch)},
                           .echo = {network(raw.echo_nonce), network(raw.echo_epoch)},
                           .guest = {},
                           .host = {}};
    if (message.side == ChannelSide::guest)
        message.guest = {raw.able == 1, static_cast<GuestPrimary>(raw.primary), network(raw.slot)};
    else
        message.host = {static_cast<DataPath>(raw.want), static_cast<DataPath>(raw.downlink),
                        network(raw.lease_ms)};
    return message;
}

} // namespace

const char *name(DataPath path) {
    switch (static_cast<hl_channel_path>(path)) {
#define X(constant, text)                                                                          \
    case HL_CHANNEL_PATH_##constant: return text;
        HL_CHANNEL_PATH_LIST(X)
#undef X
    default: return "?";
    }
}

const char *name(GuestPrimary primary) {
    switch (static_cast<hl_channel_primary>(primary)) {
#define X(constant, text, meaning)                                                                 \
    case HL_CHANNEL_PRIMARY_##constant: return text;
        HL_CHANNEL_PRIMARY_LIST(X)
#undef X
    default: return "?";
    }
}

std::vector<uint8_t> encode_message(const ChannelMessage &message) {
    hl_channel_message raw{};
    raw.magic = network(HL_CHANNEL_MAGIC);
    raw.version = HL_CHANNEL_VERSION;
    raw.oldest = HL_CHANNEL_VERSION;
    raw.side = static_cast<uint8_t>(message.side);
    raw.flags = static_cast<uint8_t>((message.answer ? HL_CHANNEL_ANSWER : 0) |
                                     (message.adopted ? HL_CHANNEL_ADOPTED : 0));
    raw.nonce = network(message.id.nonce);
    raw.epoch = network(message.id.epoch);
    raw.echo_nonce = network(message.echo.nonce);
    raw.echo_epoch = network(message.echo.epoch);
    raw.able = message.guest.able;
    raw.primary = static_cast<uint8_t>(message.guest.primary);
    raw.slot = network(message.guest.slot);
    raw.want = static_cast<uint8_t>(message.host.want);
    raw.downlink = static_cast<uint8_t>(message.host.downlink);
    raw.lease_ms = network(message.host.lease_ms);
    std::vector<uint8_t> bytes(sizeof raw);
    memcpy(bytes.data(), &raw, sizeof raw);
    return bytes;
}

DecodedMessage decode_message(std::span<const uint8_t> bytes) {
    hl_channel_message raw;
    // The beginning first: it never changes, so that a newer message is known as one.
    if (bytes.size() < offsetof(hl_channel_message, nonce)) return {MessageFault::foreign, {}};
    memcpy(&raw, bytes.data(), offsetof(hl_channel_message, nonce));
    if (raw.magic != network(HL_CHANNEL_MAGIC)) return {MessageFault::foreign, {}};
    if (raw.oldest > HL_CHANNEL_VERSION) return {MessageFault::too_new, {}};
    if (bytes.size() < sizeof raw) return {MessageFault::malformed, {}};
    memcpy(&raw, bytes.data(), sizeof raw);
    if (!sound(raw)) return {MessageFault::malformed, {}};
    return {MessageFault::none, read(raw)};
}

std::vector<uint8_t> encode_frame(const Mac &source, const ChannelMessage &message) {
    std::vector<uint8_t> frame(channel_address.begin(), channel_address.end());
    frame.insert(frame.end(), source.bytes.begin(), source.bytes.end());
    frame.push_back(HL_CHANNEL_ETHERTYPE >> 8);
    frame.push_back(HL_CHANNEL_ETHERTYPE & 0xff);
    std::vector<uint8_t> payload = encode_message(message);
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

DecodedMessage decode_frame(std::span<const uint8_t> frame) {
    bool ours = frame.size() >= header &&
                std::equal(channel_address.begin(), channel_address.end(), frame.begin()) &&
                frame[12] == HL_CHANNEL_ETHERTYPE >> 8 &&
                frame[13] == (HL_CHANNEL_ETHERTYPE & 0xff);
    if (!ours) return {MessageFault::foreign, {}};
    return decode_message(frame.subspan(header));
}

} // namespace hitless
