// SPDX-License-Identifier: BSD-2-Clause
//
// status in plain words: why a NIC is paired or not, why this path, and what would change it.
#include "cli/command.hpp"
#include "cli/output/json.hpp"
#include "loader/api.hpp"
#include "loader/core/models.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

std::string ago(Instant then) {
    double s = std::chrono::duration<double>(now() - then).count();
    if (s < 120) return fmt::format("{:.1f} s", s);
    if (s < 7200) return fmt::format("{:.0f} min", s / 60);
    return fmt::format("{:.0f} h", s / 3600);
}

std::string the_controller() {
    if (std::optional<int> pid = foreign_controller_pid())
        return fmt::format("a controller of this version (process {} is of another: `kill {}`, "
                           "then `hitless run`)",
                           *pid, *pid);
    return controller_pid() ? "the controller" : "a controller (`hitless run`; none runs now)";
}

/// Before a command that changes a NIC of the pair: it must run where the NIC is.
std::string where_nics_are(const PairStatus &pair) {
    bool apart = model_row(pair.model, pair.datapath).nics == PairNetns::hidden;
    return apart ? fmt::format("ip netns exec {} ", pair.netns) : "";
}

/// What takes a primary, where there is none.
std::string taken(const PairStatus &pair) {
    if (!pair.candidate.empty())
        return fmt::format("{} adopts {}", the_controller(), pair.candidate);
    return fmt::format("{} takes one that matches '{}' when it appears", the_controller(),
                       pair.selector.text());
}

/// What withdraws a reason; the sentence ends "...".
std::string way_out(const PairStatus &pair, uint64_t bit) {
    const std::string &primary = pair.primary.ifname;
    auto command = [&](const char *path) {
        return fmt::format("`hitless switch {} {}`", shell_quoted(pair.name), path);
    };
    std::string controller = the_controller();
    switch (bit) {
    case HL_VETO(ABSENT): return taken(pair);
    case HL_VETO(DOWN_SEEN):
    case HL_VETO(LINK_DOWN):
        if (!pair.primary.present) return taken(pair);
        if (pair.primary.present && !pair.primary.up)
            return fmt::format("`{}ip link set {} up`, then {} takes it back", where_nics_are(pair),
                               shell_quoted(primary), controller);
        return fmt::format("{} takes it back when it has carrier again", controller);
    case HL_VETO(UNPROVEN):
        return fmt::format("{} lifts it; {} overrules it", controller, command("primary"));
    case HL_VETO(HOLD_DOWN):
        return fmt::format("{} lifts it once the primary was good for {} ms; {} overrules it",
                           controller, pair.policy.hold_down.count(), command("primary"));
    case HL_VETO(OPERATOR): return command("auto") + " withdraws it";
    case HL_VETO(HOST):
        return fmt::format("the host withdraws it; {} overrules it", command("primary"));
    case HL_VETO(MTU):
        return fmt::format(
            "`ip link set {} mtu {}`: {} refuses to carry longer frames",
            shell_quoted(pair.failover.empty() ? pair.standby.ifname : pair.failover),
            pair.primary.mtu, primary);
    case HL_VETO(MAC):
        return fmt::format("`{}ip link set {} address {}`", where_nics_are(pair),
                           shell_quoted(primary), pair.standby.mac.text());
    default: return fmt::format("{} lifts it when it is over", controller);
    }
}

void explain_membership(const PairStatus &pair, Env &env) {
    if (!pair.standby.present)
        env.out << fmt::format("{}: its standby {} is gone.\n", pair.name, pair.standby.ifname);
    else if (pair.primary.present)
        env.out << fmt::format("{}: paired with {}, which was chosen by '{}'.\n", pair.name,
                               pair.primary.ifname, pair.selector.text());
    else if (!pair.candidate.empty())
        env.out << fmt::format("{}: paired with no NIC: {} matches '{}', and {}.\n", pair.name,
                               pair.candidate, pair.selector.text(), taken(pair));
    else
        env.out << fmt::format("{}: paired with no NIC: nothing here matches '{}'.\n", pair.name,
                               pair.selector.text());
}

void explain_path(const PairStatus &pair, Env &env) {
    // A standby that is the guest's own device does not work while that is down.
    bool standby_works = pair.standby.works() || (pair.master_down && pair.failover.empty());
    const char *leave = "Frames leave";
    if (pair.master_down) {
        env.out << fmt::format("  No frame leaves: {} is down.\n",
                               pair.failover.empty() ? pair.name : pair.failover);
        leave = "When it is up again, frames leave";
    }
    if (pair.primary_active && pair.veto == 0) {
        env.out << fmt::format(
            "  {} by the primary {}: nobody objects and it is alive.\n"
            "  What would change it: its loss, or `hitless switch {} standby`.\n",
            leave, pair.primary.ifname, shell_quoted(pair.name));
        if (!pair.proved) env.out << "  It was never proved: nobody has answered by it yet.\n";
        return;
    }
    if (!pair.primary_active && !standby_works)
        env.out << fmt::format("  {} by neither NIC and get lost: the standby {} does not "
                               "work{}\n",
                               leave, pair.standby.ifname,
                               pair.vetoes.empty() ? ", and the primary is dead."
                                                   : "; the primary is not used, because:");
    else
        env.out << fmt::format(
            "  {} by the {} {}{}\n", leave, pair.primary_active ? "primary" : "standby",
            pair.primary_active ? pair.primary.ifname : pair.standby.ifname,
            pair.primary_active ? ": it is doubted, but the standby is down."
            : pair.vetoes.empty()
                ? pair.primary.present ? ": the primary is dead." : ": there is no primary."
                : ", because:");
    for (const Veto &veto : pair.vetoes)
        env.out << fmt::format("  - {} ({}), set {} ago by the {}; {}.\n", veto.reason.meaning,
                               veto.reason.name, ago(veto.since), actor_names[veto.actor],
                               way_out(pair, veto.reason.bit));
}

void explain_host(const HostStatus &host, Env &env) {
    if (!host.heard)
        env.out << fmt::format("  No host is obeyed; {} messages of the channel were ignored.\n",
                               host.ignored);
    else if (!host.speaks && !is_controlled())
        env.out << fmt::format("  The host wanted the {} when a controller last heard it; nobody "
                               "hears the host now. That takes {}.\n",
                               name(host.want), the_controller());
    else if (!host.speaks)
        env.out << fmt::format("  The host wanted the {}, is not heard any more, and has decided "
                               "nothing for {}.\n",
                               name(host.want), ago(host.lease_end));
    else
        env.out << fmt::format("  The host wants the {} and delivers by the {}, since {}; it was "
                               "told that the primary is: {}{}.\n",
                               name(host.want), name(host.downlink), ago(host.since),
                               name(host.told), host.able ? "" : ", and that it would not be used");
}

void explain_pair(const PairStatus &pair, Env &env) {
    explain_membership(pair, env);
    explain_path(pair, env);
    if (pair.host) explain_host(*pair.host, env);
    for (const Problem &problem : pair.problems)
        env.out << fmt::format("  Problem: {}.\n", problem.text());
}

int explain(const std::string &name, Env &env) {
    std::vector<Unpaired> others = unpaired();
    auto other = std::ranges::find(others, name, &Unpaired::ifname);
    if (!name.empty() && other == others.end()) {
        explain_pair(status(name), env);
        return exit_ok;
    }
    std::vector<UnreadablePair> unreadable;
    std::vector<PairStatus> pairs = name.empty() ? status(&unreadable) : std::vector<PairStatus>{};
    if (!name.empty()) others = {*other};
    for (const PairStatus &pair : pairs)
        explain_pair(pair, env);
    for (const Unpaired &nic : others)
        env.out << fmt::format("{}: not paired: {}.\n", nic.ifname,
                               nic.why.empty() ? "nobody asked; `hitless run` or `hitless attach " +
                                                     nic.ifname + "` would do it"
                                               : nic.why);
    for (const UnreadablePair &pair : unreadable)
        env.err << "hitless: " << pair.why.what() << '\n';
    if (!unreadable.empty()) return exit_failed;
    if (pairs.empty() && others.empty()) env.out << "No pair, and no paravirtual NIC to pair.\n";
    return exit_ok;
}

} // namespace

Run setup_explain(CLI::App &app) {
    auto name = std::make_shared<std::string>();
    app.add_option("pair", *name, "only this pair or NIC")->type_name("PAIR");
    return [name](Env &env) { return explain(*name, env); };
}

} // namespace hitless::cli
