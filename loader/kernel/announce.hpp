// SPDX-License-Identifier: BSD-2-Clause
//
// After a flip the network must learn where the guest went, even if the guest is silent. Any frame
// from its MAC moves every forwarding table on the way, so the smallest one is sent: a unicast ARP
// probe (RFC 5227: no sender address, changes nobody's cache) or neighbour solicitation to
// neighbours that the guest already talks to. Never a storm: a few frames a flip, and flips are
// bounded by the hold-down.
#pragma once

#include "loader/kernel/rtnl.hpp"
#include "maps/hitless_abi.h"

namespace hitless {

/// Sends through the master, so by whatever path is active. A guest that knows no neighbour says
/// its MAC in one broadcast (RARP, as hypervisors do after a migration). Failure to send is no
/// error: the guest's next frame will do the same.
void announce(Rtnl &, Ifindex master, const Mac &own, hl_announce how);

} // namespace hitless
