// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/inspect/findings.hpp"
#include "loader/engine/inspect/health.hpp"
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/remains.hpp"
#include "loader/kernel/bpf/probe.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cerrno>
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

/// Nothing where it is of no version that is wanted, or cannot be read.
std::optional<PairRecord> read_record(const std::string &dir, Versions wanted) {
    try {
        return PairRecord(dir, wanted);
    } catch (const Error &) {
        return std::nullopt; // status() has said why
    }
}

/// The pairs that another version has made, and how to have them taken over.
void examine_takeovers(Findings &out) {
    const StateDir dir;
    for (const std::string &name : own_pairs(dir)) {
        if (std::optional<PairRecord> former = read_record(dir.path(name), Versions::former))
            out.push_back(degraded(fmt::format("pair {}", former->state().standby_id.ifname),
                                   "the version before has made it", "hitless upgrade"));
        std::optional<PairRecord> ours = read_record(dir.path(name), Versions::ours);
        if (!ours || !ours->state().former_abi) continue;
        auto since = now() - Instant{static_cast<int64_t>(ours->state().taken_over_ns)};
        out.push_back(fine(fmt::format("pair {}", ours->state().standby_id.ifname),
                           fmt::format("taken over from ABI {}, {} s ago", ours->state().former_abi,
                                       std::chrono::floor<std::chrono::seconds>(since).count())));
    }
}

/// They go on deciding about frames, and nobody keeps them.
void examine_leftovers(Findings &out) {
    Rtnl rtnl;
    for (const OwnFilter &filter : filters_without_pair(StateDir(), rtnl)) {
        std::optional<Link> link = rtnl.link(Ifindex{filter.ifindex});
        if (link)
            out.push_back(degraded(link->name, "a filter of ours is left, whose pair has no record",
                                   "hitless detach --all"));
    }
}

/// The command that an error names as the way out.
std::string command_in(std::string_view error) {
    size_t from = error.find('`'), to = error.find('`', from + 1);
    if (to == error.npos) return "hitless detach --all";
    return std::string(error.substr(from + 1, to - from - 1));
}

} // namespace

void examine_pairs(Findings &out) {
    std::vector<Error> unreadable;
    std::vector<PairStatus> pairs;
    try {
        examine_leftovers(out);
        pairs = status(&unreadable);
    } catch (const Error &error) {
        unreadable.push_back(error);
    }
    for (const Error &error : unreadable) {
        const std::string what = error.what();
        // Pins of that one pair are lost, or the version before made it.
        bool alone = error.code() == ENOENT || what.find("hitless upgrade") != what.npos;
        out.push_back(degraded("pairs", what, alone ? command_in(what) : "hitless detach --all"));
    }
    examine_takeovers(out);
    if (unreadable.empty() || !pairs.empty()) examine_controller(out, pairs.size());
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
