// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/inspect/findings.hpp"
#include "loader/engine/inspect/health.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/remains.hpp"
#include "loader/engine/pair/takeover.hpp"
#include "loader/kernel/bpf/probe.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace hitless {
namespace {

void examine_primary(Findings &out, const NicStatus &nic) {
    std::string by = nic.present ? configured_by(number(nic.index)) : "";
    if (by.empty()) return;
    out.push_back(
        degraded(nic.ifname, by + " configures it, as if it were a NIC of its own",
                 by == "NetworkManager"
                     ? fmt::format("nmcli device set {} managed no", shell_quoted(nic.ifname))
                     : fmt::format("a .network file with [Match] Name={} and [Link] "
                                   "Unmanaged=yes, then networkctl reload",
                                   nic.ifname)));
}

/// What stands against a primary that is not used though nobody decided so.
std::string why_standby(const PairStatus &pair) {
    std::vector<std::string_view> out;
    for (const Veto &veto : pair.vetoes)
        out.push_back(veto.reason.meaning);
    if (out.empty()) out.push_back("the primary is dead");
    return fmt::format("standby active: {}", fmt::join(out, "; "));
}

void examine_pair(Findings &out, const PairStatus &pair) {
    for (const Problem &problem : pair.problems)
        out.push_back(degraded("pair " + pair.name, problem.what, problem.remedy));
    if (pair.healthy())
        out.push_back(fine("pair " + pair.name,
                           fmt::format("{} active, liveness {}", path_name(pair.primary_active),
                                       liveness_names[pair.liveness])));
    else if (pair.problems.empty())
        out.push_back(degraded("pair " + pair.name, why_standby(pair),
                               fmt::format("hitless explain {}", shell_quoted(pair.name))));
    examine_primary(out, pair.primary);
}

/// Why a paravirtual NIC is in no pair, which may be as it should.
Finding examine_standby(const Link &nic, const std::vector<Link> &links) {
    if (nic.master != Ifindex::none && offers_failover(nic.bus))
        return degraded(nic.name,
                        "the hypervisor offers F_STANDBY and net_failover has taken the NIC",
                        no_failover_feature);
    if (nic.master != Ifindex::none && nic.master_kind != "vrf")
        return fine(nic.name, fmt::format("belongs to {}; not to be paired", describe_master(nic)));
    Choice choice = choose_primary(nic, {}, links);
    if (choice.primary && choice.primary->master != Ifindex::none)
        return degraded(nic.name,
                        fmt::format("its primary {} belongs to {}", choice.primary->name,
                                    describe_master(*choice.primary)),
                        leave_master(*choice.primary));
    Rtnl rtnl;
    if (choice.primary)
        if (auto problems = find_own_traffic(rtnl, *choice.primary); !problems.empty())
            return degraded(nic.name, "not paired: " + problems.front().what,
                            problems.front().remedy);
    if (choice.primary)
        return fine(nic.name, fmt::format("could be paired with {}: `hitless attach {}`",
                                          choice.primary->name, shell_quoted(nic.name)));
    size_t twins = std::ranges::count_if(links, [&](const Link &link) {
        return link.on_pci() && !is_paravirtual(link) && link.mac == nic.mac;
    });
    if (twins > 1)
        return degraded(
            nic.name, choice.why_not,
            fmt::format("hitless attach {} --primary NAME chooses one", shell_quoted(nic.name)));
    return fine(nic.name, "no NIC with its MAC; nothing to pair");
}

/// Ours, that another version had made.
void examine_taken_over(Findings &out, const StateDir &dir) {
    for (const std::string &name : own_pairs(dir)) {
        try {
            PairRecord record(dir.path(name));
            const hl_pair &ours = record.state();
            if (!ours.former_abi) continue;
            auto since = now() - Instant{static_cast<int64_t>(ours.taken_over_ns)};
            out.push_back(
                fine(fmt::format("pair {}", ours.standby_id.ifname),
                     fmt::format("taken over from ABI {}, {} s ago", ours.former_abi,
                                 std::chrono::floor<std::chrono::seconds>(since).count())));
        } catch (const Error &) { // NOLINT(bugprone-empty-catch): status() has said why
        }
    }
}

/// What each of them asks for concerns that pair alone: the others may be well.
void examine_error(Findings &out, const std::string &what, const Error &error) {
    out.push_back(degraded(what, error.problem(),
                           error.way_out().empty()
                               ? "`hitless bugreport` collects what may show why"
                               : error.way_out()));
}

/// Where a crash was in the way, the pair may be of either version.
void examine_interrupted(Findings &out, const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string what = fmt::format("pair {}", standby_of(dir, name));
    try {
        out.push_back(degraded(what, describe_takeover(dir, rtnl, name), "hitless upgrade"));
    } catch (const Error &error) {
        examine_error(out, what, error);
    }
}

/// They go on deciding about frames, and nobody keeps them.
void examine_leftovers(Findings &out) {
    Rtnl rtnl;
    for (const OwnFilter &filter : filters_without_pair(StateDir(), rtnl)) {
        std::optional<Link> link = rtnl.link(Ifindex{filter.ifindex});
        if (link)
            out.push_back(degraded(link->name, "a filter of ours is left, whose pair has no record",
                                   fmt::format("hitless detach {}", shell_quoted(link->name))));
    }
}

} // namespace

void examine_pairs(Findings &out) {
    const StateDir dir;
    std::vector<UnreadablePair> unreadable;
    std::vector<PairStatus> pairs;
    bool known = true;
    const std::vector<std::string> interrupted = own_takeovers(dir);
    try {
        examine_leftovers(out);
        pairs = status(&unreadable);
    } catch (const Error &error) {
        known = false;
        examine_error(out, "pairs", error);
    }
    Rtnl rtnl;
    for (const std::string &name : interrupted) // status() says so of one that it can read
        if (!known || std::ranges::count(unreadable, name, &UnreadablePair::pair))
            examine_interrupted(out, dir, rtnl, name);
    for (const UnreadablePair &pair : unreadable)
        if (!std::ranges::count(interrupted, pair.pair))
            examine_error(out, fmt::format("pair {}", pair.standby), pair.why);
    examine_taken_over(out, dir);
    if ((known && unreadable.empty()) || !pairs.empty()) examine_controller(out, pairs.size());
    for (const PairStatus &pair : pairs)
        examine_pair(out, pair);
}

void examine_remains(Findings &out) {
    const Remains found = find_remains(StateDir());
    std::vector<std::string> names = found.pins;
    names.insert(names.end(), found.netns.begin(), found.netns.end());
    if (names.empty()) return;
    out.push_back(degraded("remains",
                           fmt::format("left of network namespaces that were deleted with their "
                                       "pairs: {}",
                                       fmt::join(names, ", ")),
                           "the next attach, detach or run removes it, in whatever network "
                           "namespace"));
}

void examine_nics(Findings &out) {
    std::vector<Link> links = Rtnl().links();
    learn_hardware(links);
    std::vector<PairStatus> pairs;
    try {
        pairs = status();
    } catch (const Error &) {
        return; // examine_pairs() has said it
    }
    for (const Link &link : links)
        if (is_paravirtual(link) &&
            !std::ranges::count(pairs, link.index,
                                [](const PairStatus &pair) { return pair.standby.index; }))
            out.push_back(examine_standby(link, links));
}

} // namespace hitless
