// SPDX-License-Identifier: BSD-2-Clause
//
// The primary's settings while it serves a master: saved, brought in line and kept so, given back.
// What vetoes (MTU, MAC) is judged by settle(); what else a NIC refuses stands in
// hl_saved::unsynced, and `status` names it.
#pragma once

#include "loader/kernel/pair.hpp"
#include "loader/kernel/rtnl.hpp"

#include <string>
#include <vector>

namespace hitless {

void save_settings(Pair &, const Link &primary);

/// Silences the primary's own ARP and IPv6, gives it the master's MAC if it has none, brings it up
/// and in line. Throws when it cannot be silenced or brought up, or refuses the MAC.
void prepare_primary(Pair &, Rtnl &, const Link &standby, const Link &primary);

/// Makes the primary follow the master as both are now, as far as it lets us.
void follow_master(Pair &, Rtnl &, const Link &standby, const Link &primary);

/// Undoes all of it; the primary is down again if it was, before it may speak for itself.
void give_settings_back(Pair &, Rtnl &, const Link &primary);

/// Names of what the primary refused.
std::vector<std::string> unsynced(const hl_pair &);

} // namespace hitless
