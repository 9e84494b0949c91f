// SPDX-License-Identifier: BSD-2-Clause
//
// Who speaks through a pair: the devices of the guest that stand on its master (VLANs, macvlans, a
// bridge that has it as a port, and what stands on those), and whoever is behind such a bridge. To
// the network all of them are where the pair is.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <vector>

namespace hitless {

/// A device that the guest speaks from.
struct Station {
    Ifindex index;
    Mac mac;
    std::vector<VlanTag> tags; ///< what its frames have on the wire, the outermost first
};

/// A port of the guest's bridge at which others are: what comes in there leaves by `way_out`, which
/// is a port of that bridge, too, and the master or stands on it.
struct InnerPort {
    Ifindex port, way_out;
};

struct Stations {
    std::vector<Station> own; ///< the master, then the first few that are in use
    std::vector<InnerPort> ports;
};

/// From what the kernel lists; `mac` is the pair's, whatever the master's is at the moment.
Stations stations(const std::vector<Link> &, Ifindex master, const Mac &mac);

/// Guests behind the guest, as its bridges have learnt them: the first few of each port. Their
/// `index` is the device by which their frames leave.
std::vector<Station> nested_stations(Rtnl &, const std::vector<InnerPort> &);

} // namespace hitless
