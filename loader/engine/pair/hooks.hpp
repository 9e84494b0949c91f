// SPDX-License-Identifier: BSD-2-Clause
//
// Where the tc programs of a pair stand, and what keeps them there when others change the qdiscs
// and filters of its devices.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/members.hpp"

#include <vector>

namespace hitless {

/// A device on which a program of a pair should run now.
struct HookSite {
    hl_hook_id hook;
    PairNetns where;
    Link device;
    std::string shown; ///< "eth0 (egress)"
};
/// Those of tc; find_native_problems() of status looks at the others.
std::vector<HookSite> hook_sites(const Pair &, PairNamespaces &, const Members &);
/// XDP's as well.
std::vector<HookSite> all_hook_sites(const Pair &, PairNamespaces &, const Members &);
/// Of hook_sites(), where the pair had attached a program that runs no more: somebody took it off.
std::vector<HookSite> empty_sites(const Pair &, PairNamespaces &, const Members &);

/// Frames that ours leads away do not come by filters that others made in clsact after it. In the
/// namespace of the device, as repair_hooks() sees to.
bool hides_frames(const Pair &, const HookSite &);

/// Attaches again what somebody took off, and moves ours behind filters that others made after it.
/// `note` hears of either, and of what cannot be done.
void repair_hooks(Pair &, PairNamespaces &, const Members &, const Note &note);

/// Root qdiscs of somebody that redirected frames bypass.
void find_idle_qdiscs(std::vector<Problem> &, const Pair &, PairNamespaces &, const Members &,
                      const PairStatus &);

/// Filters of others for what comes in by a NIC that is not the master, whose frames ours leads to
/// the master before. Not those that are on the master, too.
void find_idle_filters(std::vector<Problem> &, const Pair &, const Members &);

/// Likewise chains of nftables, and those for what leaves by the NIC: of a frame that tc has led
/// from one device to another the kernel shows nftables the first alone (nf_skip_egress).
void find_idle_chains(std::vector<Problem> &, const Pair &, const Members &);

/// Throws where a NIC that moves would lose what others have on it: filters, chains, and a root
/// qdisc. Where that `travels` to the failover device, only one that cannot be made anew there.
void check_moves(Rtnl &, const Link &nic, bool travels);

} // namespace hitless
