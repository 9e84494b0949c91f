// SPDX-License-Identifier: BSD-2-Clause
//
// The failover device with the datapath xdp, for guests that forward: tc joins its inner end to the
// NICs; XDP in front of tc takes the frames that it can take unbroken.
#pragma once

#include "loader/core/native_xdp.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/pair.hpp"

namespace hitless {

/// Throws what somebody can mend: frames of this NIC would be broken by XDP.
void check_native(const Link &nic, bool checksums_complete);
/// Throws why the gate may not sit on this standby.
void check_gate(const Link &standby);

/// Programs on both ends of the device; up when they are there.
void attach_failover_device(Pair &, Rtnl &);
/// Takes them off and deletes it; nothing when the standby is the master.
void detach_failover_device(Pair &, Rtnl &);

/// Puts XDP before tc on a NIC, whose driver may say no: then tc goes on carrying its frames. The
/// NIC must not be the active path: attaching may flap its link. Nothing in pairs that use tc
/// alone.
void attach_nic_xdp(Pair &, hl_role, const Link &nic);
void detach_nic_xdp(Pair &, hl_role);

/// Why frames of a NIC of this pair go by tc, and what mends it; nothing when they do not.
std::optional<Refusal> why_not_native(const Pair &, hl_role, const Link &nic);

} // namespace hitless
