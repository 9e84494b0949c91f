// SPDX-License-Identifier: BSD-2-Clause
//
// A NIC's settings while it serves a master: saved, brought in line and kept so, given back. That
// is the primary's, and the standby's in models where a failover device is the master. What vetoes
// (MTU, MAC) is judged by apply_policy(); what else a NIC refuses stands in hl_saved::unsynced, and
// `status` names it.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/path/apply_policy.hpp"

#include <string>
#include <vector>

namespace hitless {

void save_settings(hl_saved &, const Link &nic);

/// Silences the NIC's own ARP and IPv6, gives a primary the master's MAC if it has none, brings it
/// up and in line. In the NIC's namespace. Throws when it cannot be silenced or brought up, or
/// refuses the MAC.
void prepare_nic(Pair &, PairNamespaces &, hl_role, const Link &master, const Link &nic);

/// Makes the NICs follow the master as all are now, as far as they let us.
void follow_master(Pair &, PairNamespaces &, const Members &);
/// After a VLAN or macvlan came to the master, or went.
void follow_filters(Pair &, PairNamespaces &, const Members &);

/// Undoes all of it; the NIC is down again if it was, before it may speak for itself.
void restore_settings(hl_saved &, Rtnl &, const hl_identity &, const Link &nic);

/// Whether a NIC has what only NICs of a pair have together: it answers no ARP, makes no IPv6
/// address and takes all multicast.
bool has_settings_of_a_pair(const Link &nic);
/// Such a NIC, whose own settings nobody knows any more, gets those that NICs of the caller's
/// namespace begin with.
void give_default_settings(Rtnl &, const Link &nic);

/// What of a NIC is not as the master's settings want it: because it refused, or because nobody was
/// there to follow a change. Not its MTU and MAC. In the NIC's namespace.
std::vector<Problem> unlike_master(const hl_saved &, const Link &master, const Link &nic);

} // namespace hitless
