// SPDX-License-Identifier: BSD-2-Clause
//
// What a NIC of a pair must not have: addresses, routes or devices of its own.
#pragma once

#include "loader/api.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <vector>

namespace hitless {

/// Why a NIC that has addresses or routes of its own, or devices that stand on it, cannot serve a
/// pair: it would not be answered any more. In the namespace of the NIC, which is that of `rtnl`.
std::vector<Problem> find_own_traffic(Rtnl &, const Link &nic);

/// Refuses to take such a NIC. Throws Error with the way out.
void check_own_traffic(Rtnl &, const Link &standby, const Link &nic);

} // namespace hitless
