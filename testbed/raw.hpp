// SPDX-License-Identifier: BSD-2-Clause
//
// Frames as they are on the wire: to send exactly these bytes out of a device, and to see exactly
// what a device received, VLAN tag included. Sees no frame the machine itself sent unless asked to.
// Beside the stack, not in it: on the two-device model AF_PACKET on the standby runs before the
// datapath.
#pragma once

#include "loader/kernel/fd.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hitless::testbed {

struct CapturedFrame {
    std::vector<std::uint8_t> bytes; ///< from the destination MAC on, without the tag in `vlan`
    struct Tag {
        std::uint16_t tpid = 0;
        std::uint16_t tci = 0;
    };
    std::optional<Tag> vlan; ///< the outermost tag, as PACKET_AUXDATA reports it
    std::uint64_t time_ns = 0;
};

class PacketSocket {
  public:
    /// On `ifname` of the calling thread's namespace. `ethertype` 0 = all (host order). Throws
    /// Error.
    explicit PacketSocket(const std::string &ifname, std::uint16_t ethertype = 0,
                          bool sees_sent = false);

    /// A whole frame from the destination MAC on. Throws Error (ENETDOWN, EMSGSIZE, ...).
    void send(std::span<const std::uint8_t> frame);
    /// From now on what is sent passes neither a qdisc nor tc programs: it leaves by this very
    /// device.
    void bypass_tc();
    /// The next frame received, or nothing within `patience`.
    std::optional<CapturedFrame> next(std::chrono::milliseconds patience);
    std::uint64_t drops(); ///< frames this socket had no room for, since construction

  private:
    Fd socket_;
    std::string ifname_;
    std::uint64_t drops_ = 0;
};

/// "ffffffffffff 5254 00..." to bytes; white space and ':' are skipped. Throws Error(EINVAL).
std::vector<std::uint8_t> from_hex(std::string_view text);
std::string to_hex(std::span<const std::uint8_t> bytes);

} // namespace hitless::testbed
