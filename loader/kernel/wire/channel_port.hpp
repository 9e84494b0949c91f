// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on a virtio-serial port: for hypervisors whose NICs end in no tap. A message is the
// same bytes as on the wire, one after the other; who comes in the middle of one finds the next by
// its first four bytes.
#pragma once

#include "loader/core/channel_message.hpp"
#include "loader/kernel/fd.hpp"

#include <functional>
#include <string>

namespace hitless {

class ChannelPort {
  public:
    /// Nothing is heard where there is no such port. Throws when it is there and cannot be opened.
    explicit ChannelPort(const std::string &path);

    /// Wait for edges: while no host has the port open it is hung up all the time. -1: no port.
    int fd() const { return port_ ? port_.get() : -1; }

    using Heard = std::function<void(const DecodedMessage &)>;
    /// Messages since, malformed ones too.
    void read(const Heard &);
    /// False when nobody takes it, which is as a loss.
    bool send(const ChannelMessage &) const;

  private:
    void take(const Heard &);

    Fd port_;
    std::vector<uint8_t> unread_; ///< less than a message
};

/// /dev/virtio-ports/org.hitless.0, or $HITLESS_HOST_PORT.
std::string channel_port_path();

} // namespace hitless
