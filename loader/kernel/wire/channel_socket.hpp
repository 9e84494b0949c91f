// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on the standby's own wire, as the guest has it: messages in and out by one NIC. What
// comes by any other is not heard, and the socket is never even woken for it. It listens for one
// EtherType and not on one device, so that no frame of another protocol costs anything.
#pragma once

#include "loader/core/channel_message.hpp"
#include "loader/kernel/fd.hpp"

#include <functional>
#include <optional>

namespace hitless {

class ChannelSocket {
  public:
    /// `netns_of_nics`: where the NIC is; -1: the caller's network namespace. Without CAP_NET_RAW
    /// nothing is heard and nothing sent.
    explicit ChannelSocket(int netns_of_nics);

    /// Readable when something was heard; -1: never.
    int fd() const { return socket_ ? socket_.get() : -1; }
    /// From now on this NIC alone is heard and spoken by. What was heard before is dropped.
    void use(Ifindex nic);

    using Heard = std::function<void(const DecodedMessage &)>;
    /// Messages since, malformed ones too; at most so many that a flood does not stop the caller.
    void read(const Heard &);
    /// False when the NIC does not take it, which is as a loss.
    bool send(const Mac &source, const ChannelMessage &) const;

  private:
    void filter() const;
    void join(bool) const;

    Fd socket_;
    Ifindex nic_ = Ifindex::none;
};

} // namespace hitless
