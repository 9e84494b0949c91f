// SPDX-License-Identifier: BSD-2-Clause
//
// The multicast groups that a device's guest is in, and the frames by which it says so. A switch
// that snoops leads a group only to ports that asked for it; after a flip that is the wrong one
// until a querier asks again, two minutes later by default.
#pragma once

#include "loader/kernel/wire/frames.hpp"

#include <iosfwd>

namespace hitless {

struct Groups {
    unsigned igmp = 3; ///< the version that the network's querier speaks
    std::vector<Address> of4, of6;
};

/// What the kernel has joined on a device, of /proc/net/igmp and igmp6 of the calling thread's
/// namespace. Without those that no switch prunes: 224.0.0.0/24, all nodes, and what stays within
/// the machine.
Groups joined_groups(Ifindex);

/// Those that sockets have joined: without the kernel's own (all nodes, all routers, those of each
/// IPv6 address). At most 64 of each family.
std::vector<Address> groups_of_sockets(Ifindex);

using Wanted = bool (*)(const Address &group);
bool is_pruned(const Address &group);
void read_igmp(std::istream &, Ifindex, Groups &, Wanted = is_pruned);
void read_igmp6(std::istream &, Ifindex, Groups &, Wanted = is_pruned);

/// At most one frame with all IPv4 groups (IGMPv3; for an older querier one each) and one with all
/// IPv6 groups (MLDv2), of at most 64 groups each: the querier hears of more when it asks. `own4`
/// and `own6` (link-local) are the guest's addresses, or unspecified.
std::vector<Frame> membership_reports(const Mac &own, const Address &own4, const Address &own6,
                                      const Groups &);

} // namespace hitless
