// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/tap_channel.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {

TapChannel::TapChannel(const std::string &dir)
    : programs_(dir), out_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) { // 0: receives nothing
    uint32_t mark = HL_CHANNEL_MARK;
    if (!out_ || setsockopt(out_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
        throw Error(errno, "open a socket to speak to guests by",
                    "run as root, or with CAP_NET_RAW and CAP_NET_ADMIN");
}

void TapChannel::read(const Heard &heard) {
    programs_.read([&](Ifindex tap, const Mac &source, std::span<const uint8_t> message) {
        heard(tap, source, decode_message(message));
    });
}

bool TapChannel::send(const Link &tap, const ChannelMessage &message) const {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(number(tap.index));
    std::vector<uint8_t> frame = encode_frame(tap.mac, message);
    return sendto(out_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
                  reinterpret_cast<sockaddr *>(&to),
                  sizeof(to)) == static_cast<ssize_t>(frame.size());
}

} // namespace hitless
