// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/carrier.hpp"

namespace hitless {
namespace {

void set_inner(const Pair &pair, PairNamespaces &namespaces, bool up) {
    std::optional<Link> inner = inner_end(pair, namespaces);
    if (inner && inner->up != up)
        namespaces.rtnl(pair.model().inner).change(inner->index, inner->name, {.up = up});
}

} // namespace

std::optional<Link> inner_end(const Pair &pair, PairNamespaces &namespaces) {
    PairNetns where = pair.model().inner;
    if (!pair.state().failover.inner || !namespaces.has(where)) return std::nullopt;
    return namespaces.rtnl(where).link(Ifindex{pair.state().failover.inner});
}

void follow_carrier(Pair &pair, PairNamespaces &namespaces, const Members &members) {
    if (!pair.model().has_failover) return;
    bool any = (members.primary && members.primary->usable()) ||
               (members.standby && members.standby->usable());
    set_inner(pair, namespaces, any || pair.state().carrier != HL_CARRIER_FOLLOW);
}

void restore_carrier(Pair &pair, PairNamespaces &namespaces) {
    if (pair.model().has_failover) set_inner(pair, namespaces, true);
}

} // namespace hitless
