// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/controller/managed_pair.hpp"
#include "loader/core/names.hpp"
#include "loader/engine/controller/rules.hpp"
#include "loader/engine/inspect/health.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/settings_sync.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

void take(Kept &kept, const Link &standby, const Link &primary, const Link &master,
          const Note &note) {
    Instant took = install(kept.pair, kept.places, HL_ROLE_PRIMARY, primary, master);
    std::string moved;
    if (kept.pair.layout().nics == Place::hidden)
        moved = fmt::format(", moved to {} in {:.1f} ms", kept.pair.state().failover.netns,
                            static_cast<double>(took.count()) / 1e6);
    if (note) note(fmt::format("{}: {} is the primary{}", standby.name, primary.name, moved));
    guarded(note, [&] { accelerate(kept.pair, HL_ROLE_PRIMARY, primary); });
}

void let_go(Kept &kept, const Link &standby, bool better, const Note &note) {
    hl_pair &state = kept.pair.state();
    kept.pair.view().set_veto(HL_VETO(ABSENT), HL_ACTOR_CONTROLLER,
                              static_cast<uint64_t>(now().count()));
    if (note)
        note(fmt::format("{}: the primary {} {}", standby.name, state.primary_id.ifname,
                         better ? "gives way to a better one" : "is gone"));
    release(kept.pair, kept.places, HL_ROLE_PRIMARY);
}

/// A NIC that must not be taken is looked at again until it may be, and the reason is said once.
bool may_take(Kept &kept, const Link &standby, const Link &primary, const Note &note) {
    std::string before = std::exchange(kept.refused, "");
    try {
        check_pair(standby, primary);
        check_own_traffic(kept.places.rtnl(Place::guest), standby, primary);
        return true;
    } catch (const Error &error) {
        kept.refused = error.what();
        if (note && kept.refused != before) note(kept.refused);
        return false;
    }
}

} // namespace

void follow_rule(Kept &kept, const Controller::Options &options) {
    hl_pair &state = kept.pair.state();
    const AttachRequest *rule = rule_of(options, state.standby_id.ifname);
    if (rule) adopt_rule(state, rule->primary, rule->policy);
    kept.reconsider = selector_of(state).kind == HL_SELECT_LIST || rule;
}

void say_what_stays(const Kept &kept, const Controller::Options &options) {
    const hl_pair &state = kept.pair.state();
    const AttachRequest *rule = rule_of(options, state.standby_id.ifname);
    if (!rule || !options.log) return;
    const char *name = state.standby_id.ifname;
    if (rule->model != state.model)
        options.log(fmt::format("{}: stays of the model {}: `hitless convert {} --model {}`", name,
                                model_name(static_cast<hl_model>(state.model)), name,
                                model_name(rule->model)));
    if (rule->datapath != state.datapath)
        options.log(
            fmt::format("{}: keeps its datapath until it is detached and attached again", name));
}

void keep_primary(Kept &kept, const Members &members, const Note &note) {
    hl_pair &state = kept.pair.state();
    const Link &master = *members.master;
    const std::optional<Link> &primary = members.primary;
    retake_standby(kept.pair, kept.places, *members.standby);
    retake_failover(kept.pair, kept.places);
    if (primary && !kept.pair.resolved(HL_ROLE_PRIMARY))
        retake_primary(kept.pair, kept.places, *primary, master);
    if (primary && kept.pair.view().veto() == 0) kept.primary_lost = primary->tx_dropped;
    follow_master(kept.pair, kept.places, members);
    if (primary && !std::exchange(kept.reconsider, false)) return;
    Candidates others = candidates(kept.places, kept.pair, members);
    Link standby = seen_from_guest(kept.pair, *members.standby);
    Choice choice = choose_primary(standby, selector_of(state), others.links);
    bool better =
        choice.primary && primary &&
        choice.primary != &others.links[std::min(others.present, others.links.size() - 1)];
    if (primary && !better) return;
    if (!primary && state.primary_id.ifindex) let_go(kept, standby, false, note);
    if (!choice.primary || !may_take(kept, standby, *choice.primary, note)) return;
    if (primary) let_go(kept, standby, true, note);
    take(kept, standby, *choice.primary, master, note);
}

void count_losses(Kept &kept) {
    uint64_t flips = kept.pair.view().flips();
    if (flips == std::exchange(kept.counted, flips)) return;
    if (auto primary = look(kept.places, kept.pair).primary)
        kept.pair.view().note_loss(primary->tx_dropped -
                                   std::min(primary->tx_dropped, kept.primary_lost));
}

} // namespace hitless
