// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/hooks.hpp"
#include "loader/core/error.hpp"
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/pair/carrier.hpp"
#include "loader/kernel/netlink/nft_rules.hpp"
#include "loader/kernel/netlink/qdisc.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

void repair_hook(Pair &pair, const HookSite &site, const Note &note) {
    const char *done = "stands behind other people's filters now";
    if (!pair.attached(site.hook)) {
        pair.attach(site.hook, site.device);
        done = "was taken off and runs again";
    } else if (hides_frames(pair, site)) {
        pair.attach(site.hook, site.device);
    } else if (pair.hides_from_others(site.hook)) {
        pair.move_behind_others(site.hook, site.device.name);
        done = "stands behind other people's programs now";
    } else {
        return;
    }
    if (note) note(fmt::format("{}: our program {}", site.shown, done));
}

/// The device that a row means, as it is now.
std::optional<Link> find_device(const Pair &pair, PairNamespaces &namespaces,
                                const Members &members, const HookRow &row) {
    switch (row.device) {
    case PairDevice::master: return members.master;
    case PairDevice::standby: return members.standby;
    case PairDevice::primary: return members.primary;
    case PairDevice::inner: return inner_end(pair, namespaces);
    }
    return std::nullopt;
}

bool has_filters(const Link &nic) {
    return has_other_filters(number(nic.index), Direction::ingress) ||
           has_other_filters(number(nic.index), Direction::egress);
}

/// NICs whose frames ours leads to or from the master past what others have on the NIC. A NIC that
/// moved has left all that behind, and attach refused.
std::vector<const Link *> led_away_from(const Pair &pair, const Members &members) {
    std::vector<const Link *> out;
    if (pair.model().nics != PairNetns::guest || !members.master) return out;
    for (const std::optional<Link> *nic : {&members.standby, &members.primary})
        if (*nic && (*nic)->index != members.master->index) out.push_back(&**nic);
    return out;
}

/// On ingress, where ours is first; on egress every filter of a NIC sees what ours leads there.
bool has_filters_of_its_own(const Link &nic, const Link &master) {
    const std::vector<Filter> seen = other_filters(number(master.index), Direction::ingress);
    auto is_seen = [&](const Filter &f) {
        return std::ranges::any_of(seen, [&](const Filter &on_master) {
            return on_master.priority == f.priority && on_master.program == f.program;
        });
    };
    return !std::ranges::all_of(other_filters(number(nic.index), Direction::ingress), is_seen);
}

const char *tc_hook_name(const Link &nic) {
    Rtnl rtnl;
    return tc_hook(rtnl, nic.index).kind == TcHook::Kind::ingress ? "ingress" : "clsact";
}

std::string remedy(Rtnl &rtnl, const PairStatus &pair, const Link &from, const Link &active) {
    std::string same = fmt::format("give {} the same qdisc (`tc qdisc show dev {}`)", active.name,
                                   shell_quoted(from.name));
    if (pair.datapath == HL_DATAPATH_XDP || !qdisc_that_stays(rtnl, from.index).empty())
        return same;
    bool two = pair.model == HL_MODEL_TWO;
    return same + fmt::format(", or `hitless convert {} --model {} --gap{}`",
                              shell_quoted(pair.name), two ? "one" : "hidden",
                              two ? "" : " --failover " + shell_quoted(pair.failover));
}

} // namespace

std::vector<HookSite> all_hook_sites(const Pair &pair, PairNamespaces &namespaces,
                                     const Members &members) {
    std::vector<HookSite> out;
    for (const HookRow &row : pair.model().hooks) {
        std::optional<Link> device = find_device(pair, namespaces, members, row);
        if (!device) continue;
        const char *at = row.slot == ProgramSlot::xdp ? "XDP"
                         : row.hook == HL_HOOK_EGRESS ? "egress"
                         : row.hook == HL_HOOK_INNER  ? "inner end"
                                                      : "ingress";
        out.push_back({row.hook, row.where, *device, fmt::format("{} ({})", device->name, at)});
    }
    return out;
}

std::vector<HookSite> hook_sites(const Pair &pair, PairNamespaces &namespaces,
                                 const Members &members) {
    std::vector<HookSite> out = all_hook_sites(pair, namespaces, members);
    std::erase_if(out, [&](const HookSite &site) {
        return pair.model().hook(site.hook)->slot == ProgramSlot::xdp;
    });
    return out;
}

std::vector<HookSite> empty_sites(const Pair &pair, PairNamespaces &namespaces,
                                  const Members &members) {
    std::vector<HookSite> out = hook_sites(pair, namespaces, members);
    std::erase_if(out, [&](const HookSite &site) {
        return pair.state().hook[site.hook].kind == HL_HOOK_NONE || namespaces.at(site.where, [&] {
            return pair.attached(site.hook) || pair.runs(site.hook);
        });
    });
    return out;
}

bool hides_frames(const Pair &pair, const HookSite &site) {
    return site.hook == HL_HOOK_EGRESS && pair.state().hook[site.hook].kind == HL_HOOK_TCX &&
           has_other_filters(number(site.device.index), Direction::egress);
}

void repair_hooks(Pair &pair, PairNamespaces &namespaces, const Members &members,
                  const Note &note) {
    for (const HookSite &site : hook_sites(pair, namespaces, members)) {
        try {
            namespaces.at(site.where, [&] { repair_hook(pair, site, note); });
        } catch (const Error &error) {
            if (note) note(error.what());
        }
    }
}

void find_idle_qdiscs(std::vector<Problem> &out, const Pair &pair, PairNamespaces &namespaces,
                      const Members &members, const PairStatus &status) {
    // Elsewhere the failover device's own qdisc runs, and the NICs' are ours alone.
    if (pair.model().nics != PairNetns::guest || !members.standby || !members.master) return;
    if (status.primary_active && !members.primary) return;
    Rtnl &rtnl = namespaces.rtnl(PairNetns::guest);
    const Link &active = status.primary_active ? *members.primary : *members.standby;
    std::vector<const Link *> owners{&*members.master};
    if (members.standby->index != members.master->index) owners.push_back(&*members.standby);
    for (const Link *owner : owners) {
        std::string qdisc = shaping_qdisc(rtnl, owner->index);
        if (qdisc.empty() || owner->index == active.index) continue;
        if (shaping_qdisc(rtnl, active.index) == qdisc) continue; // its owner thought of this NIC
        out.push_back({fmt::format("the qdisc {} of {} does nothing to frames that leave by {}",
                                   qdisc, owner->name, active.name),
                       remedy(rtnl, status, *owner, active)});
    }
}

void find_idle_filters(std::vector<Problem> &out, const Pair &pair, const Members &members) {
    for (const Link *nic : led_away_from(pair, members)) {
        if (!has_filters_of_its_own(*nic, *members.master)) continue;
        out.push_back(
            {fmt::format("the tc filters of {} do not see the frames of {}", nic->name,
                         members.master->name),
             fmt::format("make them on {}, then `tc qdisc del dev {} {}`", members.master->name,
                         shell_quoted(nic->name), tc_hook_name(*nic))});
    }
}

void find_idle_chains(std::vector<Problem> &out, const Pair &pair, const Members &members) {
    for (const Link *nic : led_away_from(pair, members)) {
        const std::vector<std::string> seen = nftables_chains(members.master->name);
        for (const std::string &chain : nftables_chains(nic->name)) {
            if (std::ranges::count(seen, chain)) continue;
            out.push_back({fmt::format("the nftables chain {} of {} does not see the frames of {}",
                                       chain, nic->name, members.master->name),
                           fmt::format("make it on {}, then `nft delete chain {}`",
                                       members.master->name, chain)});
        }
    }
}

void check_moves(Rtnl &rtnl, const Link &nic, bool travels) {
    std::string action = fmt::format("move {} to a namespace of the pair's own", nic.name);
    if (has_filters(nic))
        throw Error(EBUSY, action, "the kernel would drop its tc filters on the way",
                    fmt::format("`tc qdisc del dev {} {}`, and make them on the device that takes "
                                "its place; or use the model two",
                                shell_quoted(nic.name), tc_hook_name(nic)));
    for (const std::string &chain : nftables_chains(nic.name))
        throw Error(EBUSY, action,
                    fmt::format("its nftables chain {} would see no frame any more", chain),
                    fmt::format("`nft delete chain {}`, and make it on the device that takes its "
                                "place; or use the model two",
                                chain));
    std::string qdisc =
        travels ? qdisc_that_stays(rtnl, nic.index) : shaping_qdisc(rtnl, nic.index);
    if (qdisc.empty()) return;
    throw Error(EBUSY, action,
                fmt::format("its qdisc {} {}would be lost on the way", qdisc,
                            travels ? "has classes or needs its queues, and " : ""),
                fmt::format("`tc qdisc del dev {} root`, and make it on the device that takes its "
                            "place; or use the model two",
                            shell_quoted(nic.name)));
}

} // namespace hitless
