// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/path/flip_announcer.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netns/netns.hpp"

namespace hitless {
namespace {

constexpr Instant learn_again = std::chrono::seconds(5),
                  learn_first = std::chrono::milliseconds(100);

} // namespace

void FlipAnnouncer::learn(const Pair &pair, Rtnl &rtnl) {
    const hl_pair &state = pair.state();
    own_ = mac_of(state.mac);
    how_ = policy_of(state).announce;
    Stations stations = stations_;
    stations.own.insert(stations.own.begin(), {master_of(state), own_, {}});
    announcer_.learn(rtnl, stations, how_);
    learnt_ = now();
}

void FlipAnnouncer::update_stations(const Pair &pair, const std::vector<Link> &links) {
    stations_ = stations(links, master_of(pair.state()), mac_of(pair.state().mac));
    stations_.own.erase(stations_.own.begin());
    learnt_ = {};
}

void FlipAnnouncer::refresh(const Pair &pair, Rtnl &rtnl, const EarlyNotice &notice) {
    if (watch_.netdev() != pair.state().primary.netdev) {
        watch_ = {}; // the kernel keeps one entry an address
        watch_ = EarlyNotice::Watch(notice, pair);
    }
    Instant good_for = announcer_.has_neighbour() ? learn_again : learn_first;
    bool asked_otherwise = own_ != mac_of(pair.state().mac) || how_ != pair.state().announce;
    if (asked_otherwise || now() - learnt_ >= good_for) learn(pair, rtnl);
}

void FlipAnnouncer::announce(const Pair &pair, Rtnl &rtnl) {
    if (pair.view().flips() == told_) return;
    if (!announcer_.learnt()) learn(pair, rtnl);
    announce_now(pair);
}

void FlipAnnouncer::announce_now(const Pair &pair) {
    uint64_t flips = pair.view().flips();
    if (flips == told_ || !announcer_.learnt()) return;
    told_ = flips;
    announcer_.send();
}

} // namespace hitless
