// SPDX-License-Identifier: BSD-2-Clause
//
// Tells the network of one pair's flips, the moment they are noticed: before the kernel is asked
// anything, for it may be busy stopping the primary.
#pragma once

#include "loader/kernel/state/early_notice.hpp"
#include "loader/kernel/wire/announce.hpp"

namespace hitless {

class FlipAnnouncer {
  public:
    /// Flips so far are history.
    explicit FlipAnnouncer(const Pair &pair) : told_(pair.view().flips()) {}

    /// In quiet times: learns whom to tell, every few seconds, and has the present primary watched.
    void refresh(const Pair &, Rtnl &, const EarlyNotice &);
    /// The links have changed: who speaks is learnt anew.
    void update_stations(const Pair &, const std::vector<Link> &);
    /// If there was a flip since: tells, whoever flipped.
    void announce(const Pair &, Rtnl &);
    /// The same, from what was learnt before; later when that is nothing.
    void announce_now(const Pair &);
    /// This notice is about our primary.
    bool is_about(const hl_notice &notice) const { return watch_.netdev() == notice.netdev; }

  private:
    void learn(const Pair &, Rtnl &);

    uint64_t told_; ///< flips
    Instant learnt_{0};
    Mac own_;
    Stations stations_; ///< without the master's own, which may change
    hl_announce how_ = HL_ANNOUNCE_AUTO;
    Announcer announcer_;
    EarlyNotice::Watch watch_;
};

} // namespace hitless
