// SPDX-License-Identifier: BSD-2-Clause
//
// Finding and ending the published pairs of this namespace.
#pragma once

#include "loader/api.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/pair/unrecorded.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/pair.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <string>
#include <vector>

namespace hitless {

/// Directory names of the pairs made in the caller's network namespace.
std::vector<std::string> own_pairs(const StateDir &);

/// The directory name of the pair of this standby or failover device; throws ENOENT with what to
/// do.
std::string pair_of(const StateDir &, Rtnl &, const std::string &standby);

/// What the standby of a pair was last called; the pair's own name where its record cannot be read.
std::string standby_of(const StateDir &, const std::string &name);

/// Filters outlive their pair when its pins are removed, or when who made it was killed before it
/// had written them down. Nothing where a pair of another version may have them.
std::vector<OwnFilter> filters_without_pair(const StateDir &, Rtnl &);

/// Devices with an XDP program of ours, likewise. Asks each device, so it is not for every attach,
/// which replaces what it finds on its own NICs.
std::vector<Ifindex> xdp_without_pair(const StateDir &, Rtnl &);

/// What has NICs or a failover device and no record. Nothing while somebody makes or ends a pair,
/// or has died over it: that is found again by the record that is left.
std::vector<UnrecordedPair> pairs_without_record(const StateDir &, Rtnl &);
Error record_is_gone(const UnrecordedPair &);

/// The directory name of the pair whose standby has, or had, this number.
std::string pair_name(Ifindex standby);

/// Takes apart what a crash left in the stage directory, private namespaces and filters that no
/// pair has, and what is left of network namespaces that are gone. A stage of another namespace is
/// kept for it. True when there was something of this one. `note` hears of pairs without a record
/// that were given back. Under the lock.
bool clear_stage(StateDir &, Rtnl &, const Note &note = {});

/// Takes the predecessor of a pair apart that would stand in its place: one whose pins somebody
/// removed, or whose standby is gone and its number this one's. No other pair. Under the lock.
void clear_predecessor(StateDir &, Rtnl &, const AttachRequest &);

/// A pair that is open and whose pins somebody has removed gives back what it had changed, as its
/// record says. False while its programs still run, because their pins are only out of sight or
/// have not gone yet. Under the lock. `note` as for detach_pair().
bool end_lost_pair(const StateDir &, Rtnl &, const std::string &name, Pair &, const Note &note);

/// Takes a pair apart: out of sight, off the NICs, settings back; also one that is incomplete or of
/// another ABI version: then `note` hears what was not given back. Refuses what would lose settings
/// or NICs in a private namespace. Under the lock.
void detach_pair(StateDir &, Rtnl &, const std::string &name, const Note &note);

} // namespace hitless
