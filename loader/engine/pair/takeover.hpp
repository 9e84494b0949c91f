// SPDX-License-Identifier: BSD-2-Clause
//
// A pair of the version before becomes one of ours without a moment in which frames pass neither
// (docs/adr/0011-upgrade-in-place.md). Everything here happens under the lock.
#pragma once

#include "loader/api.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <string>
#include <vector>

namespace hitless {

/// After an Error the older version's pair is in force, whole, and the error says so. Returns a
/// remark of what is not as it should be though ours is in force, or "".
std::string take_over(StateDir &, Rtnl &, const std::string &name);

/// Throws what take_over() would at once: missing parts, a namespace that cannot be entered,
/// programs that the kernel refuses. Returns a remark, of hooks at which nothing runs or of a
/// takeover that was interrupted; or "".
std::string check_takeover(const StateDir &, Rtnl &, const std::string &name);

/// The pairs of this namespace whose takeover is under way; under the lock: which a crash has
/// interrupted.
std::vector<std::string> own_takeovers(const StateDir &);

/// How far such a takeover has come: begun, the older version's pair is in force; published, ours.
enum class Takeover { begun, published };
/// Throws EPROTO where a version that we do not know takes part: that is for its own programs.
Takeover progress_of(const StateDir &, const std::string &name);

/// At which hooks programs of which version run, for people. Throws as progress_of() does.
std::string describe_takeover(const StateDir &, Rtnl &, const std::string &name);

/// Ends what a crash has left of the takeover of a pair, if there is any: it is finished if our
/// pair was published, else undone. Throws where that cannot be, and what is left stays. Returns a
/// remark as take_over() does.
std::string clear_takeover(const StateDir &, Rtnl &, const std::string &name);

/// The same of all pairs of this namespace. One that cannot be ended now is left for the next
/// holder of the lock, and leaves other pairs alone. Returns whether any was ended.
bool clear_takeovers(const StateDir &, Rtnl &);

/// upgrade() (loader/api.hpp), for a holder of the lock.
std::vector<Upgraded> upgrade_pairs(StateDir &, Rtnl &, bool check_only = false);

} // namespace hitless
