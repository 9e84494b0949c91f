// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/hook_order.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>

namespace hitless {

bool HookOrder::is_disturbed(const Pair &pair, PairNamespaces &namespaces) {
    constexpr Instant least_pause = std::chrono::milliseconds(200);
    constexpr hl_hook_id hooks[] = {HL_HOOK_EGRESS, HL_HOOK_INGRESS_PRIMARY,
                                    HL_HOOK_INGRESS_STANDBY};
    if (now() - looked_ < least_pause || !namespaces.has(pair.model().nics)) return false;
    looked_ = now();
    return namespaces.at(pair.model().nics, [&] {
        return std::ranges::any_of(hooks,
                                   [&](hl_hook_id hook) { return pair.hides_from_others(hook); });
    });
}

} // namespace hitless
