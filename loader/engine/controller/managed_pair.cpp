// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/controller/managed_pair.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/controller/rules.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/nics.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/settings_sync.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

void take_primary(ManagedPair &managed, const Link &standby, const Link &primary,
                  const Link &master, const Note &note) {
    Instant took = install_nic(managed.pair, managed.namespaces, HL_ROLE_PRIMARY, primary, master);
    std::string moved;
    if (managed.pair.model().nics == PairNetns::hidden)
        moved = fmt::format(", moved to {} in {:.1f} ms", managed.pair.state().failover.netns,
                            static_cast<double>(took.count()) / 1e6);
    if (note) note(fmt::format("{}: {} is the primary{}", standby.name, primary.name, moved));
    logging_errors(note, [&] { attach_nic_xdp(managed.pair, HL_ROLE_PRIMARY, primary); });
}

void release_primary(ManagedPair &managed, const Link &standby, bool better, const Note &note) {
    hl_pair &state = managed.pair.state();
    managed.pair.view().set_veto(HL_VETO(ABSENT), HL_ACTOR_CONTROLLER,
                                 static_cast<uint64_t>(now().count()));
    if (note)
        note(fmt::format("{}: the primary {} {}", standby.name, state.primary_id.ifname,
                         better ? "gives way to a better one" : "is gone"));
    release_nic(managed.pair, managed.namespaces, HL_ROLE_PRIMARY);
}

/// A NIC that must not be taken is looked at again until it may be, and the reason is said once.
bool may_take(ManagedPair &managed, const Link &standby, const Link &primary, const Note &note) {
    std::string before = std::exchange(managed.refusal, "");
    try {
        const bool other_mac = managed.host_link && managed.host_link->speaks() &&
                               may_be_placeholder(selector_of(managed.pair.state()), primary);
        check_pair(standby, primary, other_mac);
        check_own_traffic(managed.namespaces.rtnl(PairNetns::guest), standby, primary);
        return true;
    } catch (const Error &error) {
        managed.refusal = error.what();
        if (note && managed.refusal != before) note(managed.refusal);
        return false;
    }
}

} // namespace

void apply_rule(ManagedPair &managed, const Controller::Options &options) {
    hl_pair &state = managed.pair.state();
    const AttachRequest *rule = rule_of(options, state.standby_id.ifname);
    if (rule) write_rule(state, rule->primary, rule->policy);
    managed.reconsider = selector_of(state).kind == HL_SELECT_LIST || rule;
}

void log_unapplied(const ManagedPair &managed, const Controller::Options &options) {
    const hl_pair &state = managed.pair.state();
    const AttachRequest *rule = rule_of(options, state.standby_id.ifname);
    if (!rule || !options.log) return;
    const char *name = state.standby_id.ifname;
    // By XDP or with a gate there is one model, and `convert` refuses.
    bool bound = state.datapath == HL_DATAPATH_XDP || state.hook[HL_HOOK_XDP_STANDBY].kind;
    const char *kept = rule->datapath != state.datapath ? "datapath" : nullptr;
    if (rule->model != state.model && bound) kept = "model";
    if (rule->model != state.model && !bound)
        options.log(fmt::format("{}: stays of the model {}: `hitless convert {} --model {} --gap`",
                                name, model_name(static_cast<hl_model>(state.model)),
                                shell_quoted(name), model_name(rule->model)));
    if (kept)
        options.log(
            fmt::format("{}: keeps its {} until it is detached and attached again", name, kept));
}

void update_primary(ManagedPair &managed, const Members &members, const Note &note) {
    hl_pair &state = managed.pair.state();
    const Link &master = *members.master;
    const std::optional<Link> &primary = members.primary;
    retake_standby(managed.pair, managed.namespaces, *members.standby);
    retake_failover(managed.pair, managed.namespaces);
    if (primary && !managed.pair.resolved(HL_ROLE_PRIMARY))
        retake_primary(managed.pair, managed.namespaces, *primary, master);
    if (primary && managed.pair.view().veto() == 0) managed.primary_lost = primary->tx_dropped;
    follow_master(managed.pair, managed.namespaces, members);
    if (primary && !std::exchange(managed.reconsider, false)) return;
    Candidates others = candidates(managed.namespaces, managed.pair, members);
    Link standby = seen_from_guest(managed.pair, *members.standby);
    Choice choice = choose_primary(standby, selector_of(state), others.links);
    bool better =
        choice.primary && primary &&
        choice.primary != &others.links[std::min(others.present, others.links.size() - 1)];
    if (primary && !better) return;
    if (!primary && state.primary_id.ifindex) release_primary(managed, standby, false, note);
    if (!choice.primary || !may_take(managed, standby, *choice.primary, note)) return;
    if (primary) release_primary(managed, standby, true, note);
    take_primary(managed, standby, *choice.primary, master, note);
}

void record_losses(ManagedPair &managed) {
    uint64_t flips = managed.pair.view().flips();
    if (flips == std::exchange(managed.counted, flips)) return;
    if (auto primary = read_members(managed.namespaces, managed.pair).primary)
        managed.pair.view().note_loss(primary->tx_dropped -
                                      std::min(primary->tx_dropped, managed.primary_lost));
}

} // namespace hitless
