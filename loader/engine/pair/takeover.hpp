// SPDX-License-Identifier: BSD-2-Clause
//
// A pair of the version before becomes one of ours without a moment in which frames pass neither
// (docs/adr/0011-upgrade-in-place.md). Everything here happens under the lock.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <string>

namespace hitless {

/// After an Error the older version's pair is in force, whole, and the error says so. Returns a
/// remark of what is not as it should be though ours is in force, or "".
std::string take_over(StateDir &, Rtnl &, const std::string &name);

/// Throws what take_over() would at once: missing parts, a namespace that cannot be entered,
/// programs that the kernel refuses.
void check_takeover(const StateDir &, Rtnl &, const std::string &name);

/// What a crash left of a takeover in this namespace: it is finished if our pair was published,
/// else undone. One that cannot be now is left for the next holder of the lock, and leaves other
/// pairs alone. Returns whether there was any.
bool clear_takeovers(StateDir &, Rtnl &);

} // namespace hitless
