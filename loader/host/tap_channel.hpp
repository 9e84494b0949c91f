// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on the wire of the standbys, as the host has it: for each tap, messages of its own
// guest in, messages to that guest out. What a guest sends cannot be heard on another tap, and
// nobody else's frame is heard at all (bpf/host.bpf.c).
#pragma once

#include "loader/core/channel_message.hpp"
#include "loader/kernel/bpf/tap_programs.hpp"

namespace hitless {

class TapChannel {
  public:
    /// `dir`: on a bpffs, for the pins. Opens its socket in the caller's network namespace.
    explicit TapChannel(const std::string &dir);

    TapPrograms &programs() { return programs_; }
    const TapPrograms &programs() const { return programs_; }
    int fd() const { return programs_.fd(); }

    using Heard = std::function<void(Ifindex, const Mac &source, const DecodedMessage &)>;
    /// Every message since, malformed ones too, and whoever sent it.
    void read(const Heard &);
    /// From the tap's own address. False when the tap does not take it, which is as a loss.
    bool send(const Link &tap, const ChannelMessage &) const;

  private:
    TapPrograms programs_;
    Fd out_; ///< a packet socket that receives nothing and marks what it sends
};

} // namespace hitless
