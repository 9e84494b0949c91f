// SPDX-License-Identifier: BSD-2-Clause
//
// What of the frames to the guest a NIC's hardware lets through, beside those to the master's
// own address and to groups: those to macvlans on the master, and those with its VLANs' tags. The
// kernel programs the master's filters, as it does not know of the NIC.
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "maps/hitless_abi.h"

namespace hitless {

/// Has a NIC let through what the master does. Where its filters cannot be told, it becomes
/// promiscuous with the next follow_master(). In the NIC's namespace, which is that of `rtnl`.
void follow_filters(hl_saved &, PairNamespaces &, Rtnl &, const Link &master, const Link &nic);

/// Whether it does so now. In the NIC's namespace, likewise.
bool lets_through(PairNamespaces &, Rtnl &, const Link &master, const Link &nic);

/// Takes out what follow_filters() put in, while the NIC is still ours.
void restore_filters(hl_saved &, Rtnl &, const Link &nic);

} // namespace hitless
