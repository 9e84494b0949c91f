// SPDX-License-Identifier: BSD-2-Clause
//
// Finding and ending the published pairs of this namespace.
#pragma once

#include "loader/hitless.hpp"
#include "loader/kernel/pair.hpp"
#include "loader/kernel/rtnl.hpp"
#include "loader/kernel/state_dir.hpp"

#include <string>
#include <vector>

namespace hitless {

/// Directory names of the pairs made in the caller's network namespace.
std::vector<std::string> own_pairs(const StateDir &);

/// The directory name of the pair of this standby or failover device; throws ENOENT with what to
/// do.
std::string pair_of(const StateDir &, Rtnl &, const std::string &standby);

/// Filters outlive their pair when its pins are removed, or when who made it was killed before it
/// had written them down. Nothing where a pair of another version may have them.
std::vector<OwnFilter> filters_without_pair(const StateDir &, Rtnl &);

/// Takes apart what a crash left in the stage directory, and private namespaces and filters that no
/// pair has. True when there was something. Under the lock.
bool clear_stage(StateDir &, Rtnl &);

/// Takes apart pairs whose pins somebody removed; they could not be opened, and would bar every
/// new one. Under the lock.
void clear_incomplete(StateDir &, Rtnl &);

/// Takes a pair apart: out of sight, off the NICs, settings back; also one that is incomplete or of
/// another ABI version: then `note` hears what was not given back. Under the lock.
void dismantle(StateDir &, Rtnl &, const std::string &name, const Note &note);

} // namespace hitless
