// SPDX-License-Identifier: BSD-2-Clause
//
// Before a pair ends: what is sent leaves by the standby, and what comes arrives there.
#pragma once

#include "loader/api.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/state/pair.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <string>

namespace hitless {

/// The network learns that the guest is behind the standby before the primary goes deaf.
void leave_primary(Pair &, Rtnl &);

/// Where the hypervisor delivers to the primary, too: it hears that the primary is used no more, by
/// the controller or, where none runs, from here, and is waited for until it delivers to the
/// standby. For seconds at most: then `note` hears what may be lost. Before the lock is taken,
/// since a controller needs it.
void leave_primary_with_host(const StateDir &, Rtnl &, const std::string &name, const Note &note);

} // namespace hitless
