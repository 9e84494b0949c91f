// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/path/path_monitor.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/pair.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <string>

namespace hitless {

/// A pair just made, and what keeps it until it is proved.
struct NewPair {
    Pair pair;
    PairNamespaces namespaces;
    PathMonitor path_monitor;
    std::string primary; ///< its name; empty when none is there yet
};

/// Under the lock of the StateDir, so that nobody changes meanwhile what is read here; prove_path()
/// waits, and is for after it.
NewPair create_pair(StateDir &, const AttachRequest &, Rtnl &);
void prove_path(NewPair &);

} // namespace hitless
