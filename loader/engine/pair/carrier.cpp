// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/carrier.hpp"

namespace hitless {
namespace {

Place place_of_inner(const Pair &pair) {
    return pair.state().failover.netns[0] ? Place::hidden : Place::guest;
}

void set_inner(const Pair &pair, Places &places, bool up) {
    std::optional<Link> inner = inner_end(pair, places);
    if (inner && inner->up != up)
        places.rtnl(place_of_inner(pair)).change(inner->index, inner->name, {.up = up});
}

} // namespace

std::optional<Link> inner_end(const Pair &pair, Places &places) {
    Place where = place_of_inner(pair);
    if (!pair.state().failover.inner || !places.has(where)) return std::nullopt;
    return places.rtnl(where).link(Ifindex{pair.state().failover.inner});
}

void follow_carrier(Pair &pair, Places &places, const Members &members) {
    if (!pair.layout().has_failover) return;
    bool any = (members.primary && members.primary->usable()) ||
               (members.standby && members.standby->usable());
    set_inner(pair, places, any || pair.state().carrier != HL_CARRIER_FOLLOW);
}

void give_carrier_back(Pair &pair, Places &places) {
    if (pair.layout().has_failover) set_inner(pair, places, true);
}

} // namespace hitless
