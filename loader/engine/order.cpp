// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/order.hpp"
#include "loader/engine/kept.hpp"

#include <fmt/format.h>

namespace hitless {
namespace {

constexpr Instant least_pause = std::chrono::milliseconds(200);

} // namespace

std::vector<SharedHook> shared_hooks(const Pair &pair) {
    const hl_pair &state = pair.state();
    const std::string standby = state.standby_id.ifname, primary = state.primary_id.ifname;
    Place nics = pair.layout().nics;
    std::vector<SharedHook> out;
    auto add = [&](hl_hook_place place, const std::string &device, const char *direction) {
        if (state.hook[place].kind != HL_HOOK_NONE)
            out.push_back({place, nics, device + direction});
    };
    // Of a failover device only the guest's end is anybody's but ours.
    if (nics == Place::guest)
        add(HL_HOOK_EGRESS, state.failover.outer ? "the failover device" : standby, " (egress)");
    add(HL_HOOK_INGRESS_PRIMARY, primary, " (ingress)");
    add(HL_HOOK_INGRESS_STANDBY, standby, " (ingress)");
    return out;
}

void Order::keep(Pair &pair, Places &places, const Note &note) {
    if (now() - looked_ < least_pause || !places.has(pair.layout().nics)) return;
    looked_ = now();
    for (const SharedHook &hook : shared_hooks(pair))
        guarded(note, [&] {
            bool moved = places.at(hook.where, [&] {
                bool must = pair.passes_over_others(hook.place);
                if (must) pair.yield(hook.place, hook.shown);
                return must;
            });
            if (moved && note)
                note(fmt::format("{}: our program on {} moved behind others that came later",
                                 pair.state().standby_id.ifname, hook.shown));
        });
}

} // namespace hitless
