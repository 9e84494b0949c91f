// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/hook_order.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>

namespace hitless {
namespace {

using namespace std::chrono_literals;

constexpr Instant longest_pause = 10s; ///< what cannot be repaired is tried and said that often

/// repair_hooks() sees to these; XDP programs are the failover device's own.
bool needs_repair(const Pair &pair, PairNamespaces &namespaces, const HookRow &row) {
    if (row.slot == ProgramSlot::xdp || !pair.state().hook[row.hook].kind) return false;
    if (!namespaces.has(row.where)) return false;
    return namespaces.at(
        row.where, [&] { return !pair.attached(row.hook) || pair.hides_from_others(row.hook); });
}

} // namespace

bool HookOrder::is_disturbed(const Pair &pair, PairNamespaces &namespaces) {
    if (now() - looked_ < pause_) return false;
    looked_ = now();
    bool disturbed = std::ranges::any_of(pair.model().hooks, [&](const HookRow &row) {
        return needs_repair(pair, namespaces, row);
    });
    pause_ = disturbed ? std::min(2 * pause_, longest_pause) : least_pause;
    return disturbed;
}

} // namespace hitless
