// SPDX-License-Identifier: BSD-2-Clause
//
// What other people have made on a device and does not follow to another: VLANs, macvlans, tunnels
// that are bound to it, and the multicast groups that their sockets have joined.
#pragma once

#include "loader/api.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <vector>

namespace hitless {

/// Whether the frames of `upper` are sent and received by that device. Not one end of a veth on the
/// other.
bool stands_on(const Link &upper, Ifindex);

/// What stands on a standby that is not the master hears nothing any more: our programs take its
/// frames, and routes and neighbours have left it. With a device that leaves the namespace the
/// kernel removes most kinds. Throws EBUSY.
void check_nothing_stands_on(const Link &standby, const std::vector<Link> &links);

/// The same before a pair is made anew: what stands on the device that the guest uses, or has it as
/// a port, would end with it, or hear nothing. Throws EBUSY.
void check_nothing_ends_with(Rtnl &, const Link &master);

/// Before the addresses of `from` go to another device: a socket stays in its groups where it
/// joined them (those of the kernel and of addresses go along), and a temporary address is an
/// ordinary one there.
void note_left_behind(Rtnl &, const Link &from, const std::string &to, const Note &note);

/// Before a pair ends: what ends with its failover device, or loses it.
void note_uppers(Rtnl &, const Link &master, const std::string &standby, const Note &note);

} // namespace hitless
