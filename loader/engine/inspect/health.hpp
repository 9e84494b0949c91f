// SPDX-License-Identifier: BSD-2-Clause
//
// What stands against a pair's health beside its programs and hooks, which status.cpp looks at:
// NICs that have drifted from their master, addresses and routes where no frame can come back to, a
// fallback that is none, a path that nobody has ever answered by.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/members.hpp"

#include <vector>

namespace hitless {

/// `members` has a standby and a master.
void find_unhealthy(std::vector<Problem> &, const Pair &, PairNamespaces &, const Members &,
                    const PairStatus &);

/// Why a NIC that has addresses or routes of its own, or devices that stand on it, cannot serve a
/// pair: it would not be answered any more. In the namespace of the NIC, which is that of `rtnl`.
std::vector<Problem> find_own_traffic(Rtnl &, const Link &nic);

/// Refuses to take such a NIC. Throws Error with the way out.
void check_own_traffic(Rtnl &, const Link &standby, const Link &nic);

} // namespace hitless
