// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/inspect/health.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_filters.hpp"
#include "loader/engine/pair/carrier.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/kernel/events.hpp"
#include "loader/kernel/netlink/ip_config.hpp"
#include "loader/kernel/wire/stations.hpp"

#include <fmt/format.h>

namespace hitless {
namespace {

using Problems = std::vector<Problem>;

/// Where a NIC is: a command that mends it must be run there.
std::string command_there(const PairStatus &status, const Pair &pair, const std::string &command) {
    if (command.empty() || pair.model().nics == PairNetns::guest) return command;
    return fmt::format("ip netns exec {} {}", status.netns, command);
}

/// What is larger than a NIC takes, or sent from another address than it has, gets lost on it.
void find_unfit(Problems &out, const PairStatus &status, const Link &master, const Link &nic,
                hl_role role) {
    bool primary = role == HL_ROLE_PRIMARY;
    if (nic.mtu < master.mtu && !(primary && status.veto & HL_VETO(MTU)))
        out.push_back({fmt::format("{} carries frames up to {}, and {} sends up to {}", nic.name,
                                   nic.mtu, master.name, master.mtu),
                       fmt::format("ip link set {} mtu {}", shell_quoted(nic.name), master.mtu)});
    bool known = primary && (status.veto & (HL_VETO(MAC) | HL_VETO(HOST)) ||
                             (status.host && status.host->downlink == DataPath::primary));
    if (nic.mac != master.mac && !known)
        out.push_back(
            {fmt::format("{} has another MAC than {}: frames for it get lost there", nic.name,
                         master.name),
             fmt::format("ip link set {} address {}", shell_quoted(nic.name), master.mac.text())});
}

/// Everything of a NIC that serves the master.
void find_nic_problems(Problems &out, const Pair &pair, PairNamespaces &namespaces,
                       const Link &master, const Link &nic, hl_role role,
                       const PairStatus &status) {
    const hl_pair &state = pair.state();
    const hl_saved &saved = role == HL_ROLE_PRIMARY ? state.primary_saved : state.standby_saved;
    PairNetns where = pair.model().nics;
    Problems found;
    namespaces.at(where, [&] {
        Rtnl &rtnl = namespaces.rtnl(where);
        find_unfit(found, status, master, nic, role);
        if (saved.valid) {
            std::ranges::move(unlike_master(saved, master, nic), std::back_inserter(found));
            if (!saved.promisc_for_filters && !lets_through(namespaces, rtnl, master, nic))
                found.push_back(
                    {fmt::format("{} does not let through what VLANs and macvlans on "
                                 "{} receive",
                                 nic.name, master.name),
                     fmt::format("ip link set {} promisc {}", shell_quoted(nic.name), "on")});
        }
        std::ranges::move(find_own_traffic(rtnl, nic), std::back_inserter(found));
    });
    for (Problem &problem : found) {
        problem.remedy = command_there(status, pair, problem.remedy);
        out.push_back(std::move(problem));
    }
}

std::string_view trouble(const NicStatus &nic) {
    return !nic.present ? "is gone" : !nic.up ? "is down" : "has no carrier";
}

/// What a NIC that is down by hand needs; the rest is the hypervisor's to mend.
std::string up_again(const PairStatus &status, const Pair &pair, const NicStatus &nic) {
    bool by_hand = nic.present && !nic.up;
    return by_hand ? command_there(status, pair,
                                   fmt::format("ip link set {} up", shell_quoted(nic.ifname)))
                   : "";
}

/// Why no frame leaves by the primary.
std::string unused(const PairStatus &status) {
    const NicStatus &primary = status.primary;
    if (!primary.works()) return std::string(trouble(primary));
    std::string reasons;
    for (const Veto &veto : status.vetoes)
        reasons += (reasons.empty() ? "" : ", ") + std::string(veto.reason.name);
    return fmt::format("is not used ({})", reasons);
}

/// The host may mend a standby without carrier, or the operator takes back what he chose.
std::string path_again(const PairStatus &status, const Pair &pair) {
    std::string command = up_again(status, pair, status.standby);
    bool chosen = status.primary.works() && status.veto == HL_VETO(OPERATOR);
    return command.empty() && chosen
               ? fmt::format("hitless switch {} auto", shell_quoted(status.name))
               : command;
}

/// A pair with one path is no pair. What the primary's own loss means, its vetoes say.
void find_no_fallback(Problems &out, const Pair &pair, const PairStatus &status,
                      const Link &master) {
    const NicStatus &standby = status.standby, &primary = status.primary;
    if (!standby.works()) {
        if (!pair.model().has_failover && standby.present && !standby.up) return; // find_cut_off()
        bool path = status.primary_active && primary.works();
        std::string what =
            path ? fmt::format("no fallback: the standby {} {}", standby.ifname, trouble(standby))
                 : fmt::format("no path: the standby {} {}, and the primary {} {}: frames get lost",
                               standby.ifname, trouble(standby), primary.ifname, unused(status));
        if (!pair.model().has_failover && standby.up)
            what += fmt::format("; while {} has no carrier its IPv6 addresses stay tentative and "
                                "routing daemons pass it over",
                                master.name);
        else if (pair.model().has_failover && !path && master.carrier)
            what += fmt::format("; {} keeps its carrier all the same, so routing daemons do not "
                                "notice",
                                master.name);
        out.push_back({what, path ? up_again(status, pair, standby) : path_again(status, pair)});
    } else if (status.veto && !(status.veto & ~HL_VETO_CHOSEN) && !primary.works()) {
        out.push_back({fmt::format("no fallback: the standby is in use, and the primary {} {}",
                                   primary.ifname, trouble(primary)),
                       up_again(status, pair, primary)});
    }
}

/// Rules of the guest go by a device's name, and these NICs are not in its namespace any more.
void find_idle_rules(Problems &out, const Pair &pair, PairNamespaces &namespaces,
                     const Members &members) {
    if (pair.model().nics != PairNetns::hidden) return;
    for (const std::optional<Link> &nic : {members.standby, members.primary}) {
        if (!nic || namespaces.rtnl(PairNetns::guest).link(nic->name)) continue;
        if (namespaces.at(PairNetns::guest, [&] { return policy_rules(nic->name); }))
            out.push_back({fmt::format("policy rules name {}, which is in a namespace of the "
                                       "pair's own: they apply to nothing; make them for {}",
                                       nic->name, members.master->name),
                           "ip rule; ip -6 rule"});
    }
}

/// What does not pass the guest's own device, or a failover device because of its other end.
void find_cut_off(Problems &out, const Pair &pair, PairNamespaces &namespaces,
                  const PairStatus &status, const Link &master) {
    if (!master.up)
        out.push_back(
            {fmt::format("{} is down: the guest sends and receives nothing by it", master.name),
             fmt::format("ip link set {} up", shell_quoted(master.name))});
    std::optional<Link> inner = inner_end(pair, namespaces);
    if (!inner) return;
    auto say = [&](const std::string &what, std::string command) {
        bool apart = pair.model().inner == PairNetns::hidden;
        if (apart) command = fmt::format("ip netns exec {} {}", status.netns, command);
        out.push_back({what, command});
    };
    const std::string name = shell_quoted(inner->name);
    // A veth takes no frame that its other end would not (is_skb_forwardable() of the kernel).
    if (inner->kind == "veth" && inner->mtu < master.mtu)
        say(fmt::format("{} carries frames up to {}, and {} sends up to {}", inner->name,
                        inner->mtu, master.name, master.mtu),
            fmt::format("ip link set {} mtu {}", name, master.mtu));
    bool as_asked = status.policy.carrier == HL_CARRIER_FOLLOW && !status.standby.works() &&
                    !status.primary.works();
    if (inner->up || as_asked) return;
    say(fmt::format("{} has no carrier: its other end is down, and no controller brings it up",
                    master.name),
        fmt::format("ip link set {} up", name));
}

/// A path behind which nobody is known, while the guest looks for somebody in vain. A proof is as
/// old as the controller that asks again.
void find_unproved(Problems &out, const PairStatus &status, PairNamespaces &namespaces,
                   const Link &master) {
    bool asks = status.policy.probing.interval.count();
    const bool watched = is_controlled();
    if (!status.primary_active || (status.proved && watched) || !asks) return;
    Rtnl &guest = namespaces.rtnl(PairNetns::guest);
    bool searches = false;
    for (const Station &from : stations(guest.links(), master.index, master.mac).own) {
        if (!guest.neighbours(from.index).empty()) return;
        searches |= !guest.unresolved_neighbours(from.index).empty();
    }
    if (!searches) return;
    out.push_back({status.proved ? "no neighbour answers the guest, and no controller asks whether "
                                   "the path by the primary is still good"
                                 : "the path by the primary was never proved, and no neighbour "
                                   "answers the guest",
                   watched ? "" : "hitless run"});
}

/// Nobody would leave a primary that fails, and systemd sees a living process.
void find_stopped(Problems &out) {
    std::optional<int> pid = controller_pid();
    if (pid && is_stopped(*pid))
        out.push_back(
            {fmt::format("the controller (pid {}) is stopped: nobody watches the path", *pid),
             fmt::format("kill -CONT {}", *pid)});
}

/// It holds the lock of the namespace, so that no other can start, and what it opened are maps that
/// no program reads any more.
void find_foreign_controller(Problems &out) {
    if (std::optional<int> pid = foreign_controller_pid())
        out.push_back(
            {fmt::format("the controller, process {}, is of another version and does not keep "
                         "this pair",
                         *pid),
             fmt::format("kill {}", *pid)});
}

} // namespace

Untaken find_untaken(const Pair &pair, PairNamespaces &namespaces, const Members &members) {
    Untaken out;
    if (!members.standby || !members.master || members.primary) return out;
    Candidates others = candidates(namespaces, pair, members);
    const Link standby = seen_from_guest(pair, *members.standby);
    Choice choice = choose_primary(standby, selector_of(pair.state()), others.links);
    if (!choice.primary) return out;
    for (Problem &problem : find_own_traffic(namespaces.rtnl(PairNetns::guest), *choice.primary)) {
        problem.what = "not taken as the primary: " + problem.what;
        out.problems.push_back(std::move(problem));
    }
    if (!out.problems.empty()) return out;
    try {
        check_pair(standby, *choice.primary);
    } catch (const Error &error) {
        return {"", {{std::string("not taken as the primary: ") + error.what(), ""}}};
    }
    out.name = choice.primary->name;
    if (!is_controlled())
        out.problems.push_back(
            {fmt::format("{} is there and fits as the primary, but no controller "
                         "runs that would adopt it",
                         out.name),
             "hitless run"});
    return out;
}

void find_unhealthy(Problems &out, const Pair &pair, PairNamespaces &namespaces,
                    const Members &members, const PairStatus &status) {
    const Link &master = *members.master;
    if (members.primary && status.primary.known)
        find_nic_problems(out, pair, namespaces, master, *members.primary, HL_ROLE_PRIMARY, status);
    if (pair.model().has_failover)
        find_nic_problems(out, pair, namespaces, master, *members.standby, HL_ROLE_STANDBY, status);
    find_no_fallback(out, pair, status, master);
    find_idle_rules(out, pair, namespaces, members);
    find_cut_off(out, pair, namespaces, status, master);
    find_unproved(out, status, namespaces, master);
    find_stopped(out);
    find_foreign_controller(out);
}

} // namespace hitless
