// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/controller/rules.hpp"
#include "loader/engine/pair/detached.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

const Link *named(const std::vector<Link> &links, const std::string &name) {
    auto at = std::ranges::find(links, name, &Link::name);
    return at == links.end() ? nullptr : &*at;
}

/// Why a rule does nothing here; empty when it does something.
std::string idle(const AttachRequest &rule, const std::vector<Link> &links) {
    const Link *standby = standby_of(rule, links);
    if (!standby) return fmt::format("there is no interface {}", rule.standby);
    Choice choice = choose_primary(*standby, rule.primary, links);
    try {
        check_roles(*standby, choice, links);
        if (choice.primary) check_pair(*standby, *choice.primary);
    } catch (const Error &error) {
        return error.what();
    }
    return choice.why_not;
}

/// Whether the pair stands already: its NICs are not there to be found any more, or its failover
/// device has their MAC. What it lacks, `status` says.
bool is_made(const StateDir &dir, const AttachRequest &rule) {
    return std::ranges::any_of(own_pairs(dir), [&](const std::string &name) {
        try {
            const PairRecord record(dir.path(name), Versions::known);
            const hl_pair &state = record.state();
            const std::string standby = state.standby_id.ifname;
            bool meant =
                rule.standby == standby || std::ranges::count(rule.other_standbys, standby);
            return meant && (state.primary_id.ifindex || state.failover.outer);
        } catch (const Error &) {
            return false;
        }
    });
}

/// Why nobody pairs it; empty when somebody could.
std::string why_not(const Link &standby, const std::vector<Link> &links) {
    std::string why = why_unpaired(standby, links);
    const Link *primary = why.empty() ? choose_primary(standby, {}, links).primary : nullptr;
    if (!primary) return why;
    Rtnl rtnl;
    std::vector<Problem> problems = find_own_traffic(rtnl, *primary);
    return problems.empty() ? "" : problems.front().text();
}

} // namespace

const Link *standby_of(const AttachRequest &rule, const std::vector<Link> &links) {
    if (const Link *first = named(links, rule.standby)) return first;
    for (const std::string &name : rule.other_standbys)
        if (const Link *next = named(links, name)) return next;
    return nullptr;
}

const AttachRequest *rule_of(const Controller::Options &options, const std::string &standby) {
    auto names = [&](const AttachRequest &rule) {
        return rule.standby == standby || std::ranges::count(rule.other_standbys, standby);
    };
    auto at = std::ranges::find_if(options.pairs, names);
    return at == options.pairs.end() ? nullptr : &*at;
}

std::vector<AttachRequest> wanted_pairs(const Controller::Options &options,
                                        const std::vector<Link> &links) {
    std::vector<AttachRequest> out;
    for (const AttachRequest &rule : options.pairs)
        if (const Link *standby = standby_of(rule, links)) {
            out.push_back(rule);
            out.back().standby = standby->name;
        }
    if (!options.auto_pair) return out;
    for (const Proposal &pair : propose_pairs(links))
        if (!rule_of(options, pair.standby->name))
            out.push_back({pair.standby->name, {}, options.policy, {}});
    return out;
}

std::vector<Unpaired> unpaired() {
    std::vector<Link> links = Rtnl().links();
    learn_hardware(links);
    std::vector<UnreadablePair> unreadable;
    std::vector<PairStatus> pairs = status(&unreadable);
    const StateDir dir;
    auto in_pair = [&](const Link &link) {
        return std::ranges::count(pairs, link.index,
                                  [](const PairStatus &pair) { return pair.standby.index; }) ||
               std::ranges::count(unreadable, link.name, &UnreadablePair::standby) ||
               std::ranges::count(unreadable, pair_name(link.index), &UnreadablePair::pair);
    };
    std::vector<Unpaired> out;
    for (const Link &link : links)
        if ((is_paravirtual(link) || is_detached(dir, link)) && !in_pair(link))
            out.push_back({link.name, is_detached(dir, link)
                                          ? "it was detached; `hitless attach` makes the pair again"
                                          : why_not(link, links)});
    return out;
}

std::vector<std::string> idle_rules(const Controller::Options &options) {
    std::vector<Link> links = Rtnl().links();
    learn_hardware(links);
    const StateDir dir;
    std::vector<std::string> out;
    for (const AttachRequest &rule : options.pairs)
        if (std::string why = idle(rule, links); !why.empty() && !is_made(dir, rule))
            out.push_back(fmt::format("{}: the rule matches nothing now: {}",
                                      rule.origin.empty() ? rule.standby : rule.origin, why));
    return out;
}

} // namespace hitless
