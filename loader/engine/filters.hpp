// SPDX-License-Identifier: BSD-2-Clause
//
// What of the frames to the guest the primary's hardware lets through, beside those to the master's
// own address and to groups: those to macvlans on the master, and those with its VLANs' tags. The
// kernel programs the master's filters, as it does not know of the primary.
#pragma once

#include "loader/kernel/pair.hpp"
#include "loader/kernel/rtnl.hpp"

#include <vector>

namespace hitless {

/// Has the primary let through what the master does. Where its filters cannot be told, it becomes
/// promiscuous with the next follow_master(). `links`: all of the namespace.
void follow_filters(Pair &, Rtnl &, const Link &standby, const Link &primary,
                    const std::vector<Link> &links);

/// Takes out what follow_filters() put in, while the primary is still ours.
void give_filters_back(Pair &, Rtnl &, const Link &primary);

} // namespace hitless
