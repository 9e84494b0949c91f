// SPDX-License-Identifier: BSD-2-Clause
//
// A pair in a controller's care: what is open of it, and what is remembered between two looks.
#pragma once

#include "loader/engine/herald.hpp"
#include "loader/engine/members.hpp"
#include "loader/kernel/rtnl.hpp"

#include <optional>
#include <utility>

namespace hitless {

struct Kept {
    Pair pair;
    Places places;
    BellReader bell;
    Vigil vigil;
    std::optional<LinkMonitor> hidden; ///< of the private namespace, if the NICs are there
    std::optional<Instant> again;      ///< settle
    bool reconsider = false;           ///< a better primary may be there
    uint64_t primary_lost = 0;         ///< its counter when it was last seen in use
    uint64_t counted;                  ///< flips whose cost was looked at
    Herald herald;

    Kept(Pair &&adopted, Rtnl &guest)
        : pair(std::move(adopted)), places(guest, pair.state().failover.netns),
          bell(pair.bell_fd()), vigil(pair, places), counted(pair.view().flips()), herald(pair) {
        if (pair.layout().nics == Place::hidden && places.has(Place::hidden))
            places.at(Place::hidden, [&] { hidden.emplace(); });
    }

    /// Whether a device of the guest is one of its.
    bool owns(Ifindex index) const {
        const hl_pair &state = pair.state();
        if (state.failover.outer == number(index)) return true;
        return pair.layout().nics == Place::guest && (state.standby_id.ifindex == number(index) ||
                                                      state.primary_id.ifindex == number(index));
    }
};

} // namespace hitless
