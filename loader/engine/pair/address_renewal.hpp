// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses with a lifetime (DHCP) that travel between the standby and a failover device: who
// renews them does not follow by itself.
#pragma once

#include "loader/api.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <vector>

namespace hitless {

/// Before the addresses of `from` travel: refuses when a process on a packet socket there renews
/// them; `note` hears of addresses that somebody must renew on the failover device.
void check_renewal(Rtnl &, const Link &from, const std::string &to, const Note &note);

/// Before a pair ends: what must be renewed on the standby then, and who was it till now.
void note_renewal(Rtnl &, const Link &master, const std::string &standby, const Note &note);

/// The address that ends first.
hl_travelled first_to_end(Rtnl &, const Link &);

/// Addresses of a failover device that nobody has renewed when it was time, or that have ended.
void find_expiring(std::vector<Problem> &, Rtnl &, const hl_pair &, const Link &master);

} // namespace hitless
