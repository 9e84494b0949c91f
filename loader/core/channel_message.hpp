// SPDX-License-Identifier: BSD-2-Clause
//
// A message of the channel between host and guest: bytes in, a checked message out, and back. Pure.
// What is sent when is decided by host_channel.hpp and guest_channel.hpp. Layout and meaning of
// each field: maps/hitless_channel.h.
//
//   DecodedMessage heard = decode_frame(bytes); // decode_message(): without an Ethernet header
//   if (heard.fault == MessageFault::none) channel.hear(heard.message, now);
#pragma once

#include "loader/core/types.hpp"
#include "maps/hitless_channel.h"

#include <span>
#include <vector>

namespace hitless {

enum class DataPath : uint8_t { // as hl_channel_path
    unknown = HL_CHANNEL_PATH_UNKNOWN,
    standby = HL_CHANNEL_PATH_STANDBY,
    primary = HL_CHANNEL_PATH_PRIMARY
};
enum class GuestPrimary : uint8_t { // as hl_channel_primary
    none = HL_CHANNEL_PRIMARY_NONE,
    present = HL_CHANNEL_PRIMARY_PRESENT,
    ready = HL_CHANNEL_PRIMARY_READY,
    in_use = HL_CHANNEL_PRIMARY_IN_USE,
    left = HL_CHANNEL_PRIMARY_LEFT
};
const char *name(DataPath);
const char *name(GuestPrimary);

enum class ChannelSide : uint8_t { guest = HL_CHANNEL_GUEST, host = HL_CHANNEL_HOST };

/// One statement: which boot made it, and its number there.
struct StatementId {
    uint64_t nonce = 0; ///< 0: no statement
    uint64_t epoch = 0;
    bool operator==(const StatementId &) const = default;
};

struct GuestStatement {
    bool able = false;
    GuestPrimary primary = GuestPrimary::none;
    uint32_t slot = 0;
    bool operator==(const GuestStatement &) const = default;
};

struct HostStatement {
    DataPath want = DataPath::unknown;
    DataPath downlink = DataPath::unknown;
    uint32_t lease_ms = 0;
    bool operator==(const HostStatement &) const = default;
};

struct ChannelMessage {
    ChannelSide side = ChannelSide::guest;
    uint8_t version = HL_CHANNEL_VERSION;
    bool answer = false;  ///< HL_CHANNEL_ANSWER
    bool adopted = false; ///< HL_CHANNEL_ADOPTED
    StatementId id, echo;
    GuestStatement guest; ///< only from a guest
    HostStatement host;   ///< only from a host
    bool operator==(const ChannelMessage &) const = default;
};

enum class MessageFault {
    none,
    foreign,  ///< not of the channel at all
    too_new,  ///< of a version that this one does not understand
    malformed ///< of the channel, but short or with a value that there is not
};

struct DecodedMessage {
    MessageFault fault = MessageFault::none;
    ChannelMessage message; ///< only where there is no fault
};

std::vector<uint8_t> encode_message(const ChannelMessage &);
DecodedMessage decode_message(std::span<const uint8_t>);

/// With an Ethernet header from `source` to the channel's address.
std::vector<uint8_t> encode_frame(const Mac &source, const ChannelMessage &);
DecodedMessage decode_frame(std::span<const uint8_t>);

} // namespace hitless
