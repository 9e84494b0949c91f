// SPDX-License-Identifier: BSD-2-Clause
//
// After a flip the network must learn where the guest went, even if the guest is silent. Any frame
// from its MAC moves every forwarding table on the way, so the smallest one is sent: a unicast ARP
// probe (RFC 5227: no sender address, changes nobody's cache) or neighbour solicitation to
// neighbours that the guest already talks to. Never a storm: a few frames a flip, and flips are
// bounded by the hold-down. The guest's multicast groups are said in one report a family. So it is
// for each VLAN, macvlan and bridge on the master, too: to a switch, those are other places or
// other guests. A guest behind the guest's bridge, which may only listen, is said in one broadcast
// (RARP).
//
// What to say is learnt beforehand: while the kernel stops a device, which takes a driver a tenth
// of a second, it answers no question (the rtnl lock is taken), and that is when it must be said.
#pragma once

#include "loader/kernel/fd.hpp"
#include "loader/kernel/wire/groups.hpp"
#include "loader/kernel/wire/stations.hpp"
#include "maps/hitless_abi.h"

namespace hitless {

class Announcer {
  public:
    /// Asks the kernel whom to tell. A station that knows no neighbour says its MAC in one
    /// broadcast (RARP, as hypervisors do after a migration), and so do those behind the guest's
    /// bridges. Opens its socket in the caller's namespace.
    void learn(Rtnl &, const Stations &, hl_announce how);
    bool learnt() const { return static_cast<bool>(out_); }
    bool has_neighbour() const { return knows_somebody_; }
    /// Sends through the stations, so by whatever path is active. Failure to send is no error: the
    /// guest's next frame will do the same.
    void send() const;

  private:
    struct Announcement {
        Ifindex from;
        Frame frame;
    };
    /// Returns how many neighbours will be told.
    size_t learn_one(Rtnl &, const Station &, size_t most_neighbours, hl_announce how);

    Fd out_; ///< a packet socket that receives nothing
    std::vector<Announcement> announcements_;
    bool knows_somebody_ = false; ///< a station does
};

} // namespace hitless
