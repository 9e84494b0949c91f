// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses that end by themselves unless somebody renews them (DHCP), and who may be the one that
// does: a client listens on a packet socket, which is bound to a device by its number and is
// unbound when that device leaves the network namespace.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace hitless {

struct TimedAddress {
    Address ip;
    uint8_t prefix_length = 0;
    std::chrono::seconds left{};  ///< until it ends
    std::chrono::seconds total{}; ///< what was left when it was last given or renewed

    /// "192.0.2.2/24"
    std::string text() const;
};

/// The addresses of a device that end, without those that the kernel renews by itself from router
/// advertisements. In the caller's namespace.
std::vector<TimedAddress> timed_addresses(Rtnl &, const Link &);

/// Those that the kernel has made for a while to keep a host from being known by its address
/// (RFC 8981). Nobody but the kernel can make such a one (inet6_rtm_newaddr() in
/// net/ipv6/addrconf.c).
std::vector<TimedAddress> temporary_addresses(Rtnl &, const Link &);

/// Whether a device has an address of this family that reaches beyond its link.
bool has_global_address(Rtnl &, Ifindex, bool six);

struct PacketListener {
    int pid = 0;      ///< 0: nobody that we may see
    std::string name; ///< of the process

    /// "dhclient (process 123)"
    std::string text() const;
};

/// Processes that listen for IP frames on a packet socket bound to this device, in the caller's
/// namespace; not those that only capture (tcpdump).
std::vector<PacketListener> packet_listeners(Ifindex);

} // namespace hitless
