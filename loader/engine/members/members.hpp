// SPDX-License-Identifier: BSD-2-Clause
//
// The devices of a pair as they are at this moment, wherever they are. Reads only.
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "loader/kernel/state/pair.hpp"

#include <optional>
#include <vector>

namespace hitless {

/// The devices of a pair as they are now; nothing where one is not there.
struct Members {
    std::optional<Link> master, standby, primary;
};
Members read_members(PairNamespaces &, const Pair &);

/// A device that must be there. Throws ENODEV when somebody has removed it.
Link must_find(Rtnl &, Ifindex);
Link must_find(Rtnl &, const std::string &name);

/// The NIC of a role where the model has it, if that still is the device that was taken.
std::optional<Link> find_nic(Rtnl &, const Pair &, hl_role);

/// Every link that could be a pair's primary: the guest's but its failover device, and the primary
/// that it has, which may be elsewhere. Numbers of two namespaces mean two things: `present` is the
/// place of that one, or past the end.
struct Candidates {
    std::vector<Link> links;
    size_t present;
};
Candidates candidates(PairNamespaces &, const Pair &, const Members &);
/// The standby as pairing compares it with them.
Link seen_from_guest(const Pair &, const Link &standby);

} // namespace hitless
