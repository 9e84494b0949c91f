// SPDX-License-Identifier: BSD-2-Clause
//
// What is done to a guest's frames at its tap, and would not be at its primary's port: a give would
// take the guest out of it.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <string>
#include <vector>

namespace hitless {

/// Each in words that name it: filters, limits, programs, rules, isolation, another VLAN for frames
/// without a tag. What the primary's port has of the same sort is taken for the same. Throws Error.
std::vector<std::string> bypassed_by(Rtnl &, const Link &tap, const Link &primary);

/// The same of a VF: the port of its PF does nothing to its frames. `vlan`: that the PF puts them
/// into; 0: none, and they are in the network as the bridge's without a tag are.
std::vector<std::string> bypassed_by_vf(Rtnl &, const Link &tap, const Link &pf, uint16_t vlan);

} // namespace hitless
