// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/channel_port.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace hitless {
namespace {

constexpr unsigned most_reads = 16; // at once, so that a flood does not stop the caller

std::array<uint8_t, 4> magic() {
    uint32_t word = htonl(HL_CHANNEL_MAGIC);
    std::array<uint8_t, 4> out{};
    memcpy(out.data(), &word, sizeof(word));
    return out;
}

} // namespace

std::string channel_port_path() {
    const char *given = getenv("HITLESS_HOST_PORT");
    return given ? given : "/dev/virtio-ports/" HL_CHANNEL_PORT;
}

ChannelPort::ChannelPort(const std::string &path)
    : port_(open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {
    if (!port_ && errno != ENOENT && errno != ENODEV && errno != ENXIO)
        throw Error(errno, fmt::format("open {} to hear the host by", path),
                    "end who has it open, or set `host = false`");
}

void ChannelPort::read(const Heard &heard) {
    uint8_t room[1024];
    for (unsigned i = 0; port_ && i < most_reads; i++) {
        ssize_t length = ::read(port_.get(), room, sizeof(room));
        if (length <= 0) return; // nothing more, or no host has it open
        unread_.insert(unread_.end(), room, room + length);
        take(heard);
    }
}

/// What begins like a message and is none is passed over, not believed.
void ChannelPort::take(const Heard &heard) {
    const std::array<uint8_t, 4> head = magic();
    auto at = unread_.begin();
    for (;;) {
        at = std::search(at, unread_.end(), head.begin(), head.end());
        if (unread_.end() - at < static_cast<ptrdiff_t>(sizeof(hl_channel_message))) break;
        DecodedMessage message = decode_message({&*at, sizeof(hl_channel_message)});
        at += message.fault == MessageFault::none ? sizeof(hl_channel_message) : head.size();
        heard(message);
    }
    // The beginning of the next one may be there in part.
    if (at == unread_.end()) at -= std::min<ptrdiff_t>(unread_.size(), head.size() - 1);
    unread_.erase(unread_.begin(), at);
}

bool ChannelPort::send(const ChannelMessage &message) const {
    std::vector<uint8_t> bytes = encode_message(message);
    return port_ &&
           write(port_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

} // namespace hitless
