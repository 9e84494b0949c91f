// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/registry.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/assembly.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/engine/pair/leave_primary.hpp"
#include "loader/engine/pair/remains.hpp"
#include "loader/engine/pair/takeover.hpp"
#include "loader/engine/pair/unrecorded.hpp"
#include "loader/kernel/bpf/xdp.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <set>
#include <unistd.h>

namespace hitless {
namespace {

/// Detaches in the order that keeps frames flowing. Returns what could not be given back.
std::string disassemble(const std::string &dir, Rtnl &rtnl) {
    Pair pair = Pair::open_remains(dir);
    PairNamespaces namespaces(rtnl, pair.state().failover.netns);
    leave_primary(pair, rtnl);
    return disassemble(pair, namespaces);
}

/// What became of a pair's settings; empty: they are given back.
struct NotGivenBack {
    std::string why;     ///< none could be
    std::string refused; ///< one of them the kernel refused, the others have been
};

/// Also what is incomplete or of another version: removing its pins frees its tcx links all the
/// same.
NotGivenBack detach_pinned(const std::string &dir, Rtnl &rtnl) {
    NotGivenBack out;
    try {
        out.refused = disassemble(dir, rtnl);
    } catch (const Error &error) {
        if (error.code() != ENOENT && error.code() != EPROTO) throw;
        out.why =
            error.code() == EPROTO ? "was made by another version of hitless" : "was incomplete";
    }
    StateDir::remove(dir);
    return out;
}

/// The namespace in which alone a stage can be taken apart; 0 when nothing in it says so.
uint64_t namespace_of(const std::string &stage) {
    try {
        return PairRecord(stage, Versions::known).state().netns_cookie;
    } catch (const Error &) {
        return 0;
    }
}

/// What another version has in a private namespace only that version can give back.
void check_detachable(const StateDir &dir, const std::string &name) {
    try {
        PairRecord readable(dir.path(name), Versions::known);
    } catch (const Error &error) {
        if (error.code() != EPROTO) return;
        for (const std::string &netns : private_netns_names())
            if (is_private_netns_of(netns, name))
                throw Error(EPROTO, fmt::format("detach the pair {}", name),
                            fmt::format("{}; and addresses, routes and NICs are in the network "
                                        "namespace {} as that version put them there",
                                        error.problem(), netns),
                            "detach it with that version, or restart the guest");
    }
}

/// The pair's standby out of sight, or its failover device: the pair is named after the former.
bool is_of(const std::string &dir, const std::string &ifname, const std::optional<Link> &link) {
    try {
        PairRecord pair(dir, Versions::known);
        const hl_pair &state = pair.state();
        if (link) return state.failover.outer == number(link->index);
        return pair.model().nics == PairNetns::hidden && ifname == state.standby_id.ifname;
    } catch (const Error &) {
        return false; // one that cannot be opened is found by its directory's name alone
    }
}

/// Whether a private namespace belongs to one of the pairs, readable or not.
bool is_in_use(const StateDir &dir, const std::string &netns) {
    return std::ranges::any_of(own_pairs(dir), [&](const std::string &name) {
        try {
            PairRecord pair(dir.path(name), Versions::known);
            return netns == pair.state().failover.netns;
        } catch (const Error &) {
            return is_private_netns_of(netns, name);
        }
    });
}

/// The pair's standby is gone, and its number another device's.
bool is_another_device(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    try {
        Pair pair = Pair::open(dir.path(name));
        return pair.model().nics == PairNetns::guest && !find_nic(rtnl, pair, HL_ROLE_STANDBY);
    } catch (const Error &) {
        return false; // its name is all that is known
    }
}

/// Whether a pair's record has a program of these kinds on a device. Throws EPROTO where a record
/// of another version might.
bool has_owner(const StateDir &dir, uint32_t ifindex, std::initializer_list<hl_hook_kind> kinds) {
    for (const std::string &name : own_pairs(dir)) {
        try {
            PairRecord pair(dir.path(name), Versions::known);
            if (pair.model().nics == PairNetns::hidden) continue; // with numbers of their own
            for (const hl_hook &hook : pair.state().hook)
                if (hook.ifindex == ifindex && std::ranges::count(kinds, hook.kind)) return true;
        } catch (const Error &error) {
            if (error.code() == EPROTO) throw;
        }
    }
    return false;
}

/// The NICs that pairs have in the guest's namespace. Nothing where a pair's directory is there and
/// its record is not: what it has nobody can tell, and `detach` of it ends it.
std::optional<std::set<Ifindex>> recorded_nics(const StateDir &dir) {
    std::set<Ifindex> out;
    for (const std::string &name : own_pairs(dir)) {
        try {
            PairRecord pair(dir.path(name), Versions::known);
            if (pair.model().nics == PairNetns::hidden) continue; // with numbers of their own
            out.insert(Ifindex{pair.state().standby_id.ifindex});
            out.insert(Ifindex{pair.state().primary_id.ifindex});
        } catch (const Error &) {
            return std::nullopt;
        }
    }
    return out;
}

/// `busy`: there may be more in a moment.
std::vector<UnrecordedPair> all_unrecorded(const StateDir &dir, Rtnl &rtnl, bool &busy) {
    auto out =
        unrecorded_pairs(rtnl, [&](const std::string &netns) { return is_in_use(dir, netns); });
    const std::optional<std::set<Ifindex>> recorded = recorded_nics(dir);
    busy = false;
    if (!recorded) return out;
    auto by_xdp = unrecorded_by_xdp(rtnl, [&](Ifindex inner) {
        try {
            return has_owner(dir, number(inner), {HL_HOOK_XDP, HL_HOOK_XDP_ALONE});
        } catch (const Error &) {
            return true; // perhaps a pair of another version
        }
    });
    std::ranges::move(by_xdp, std::back_inserter(out));
    busy = add_silenced(out, rtnl, [&](Ifindex nic) { return recorded->contains(nic); });
    return out;
}

/// True when there were some. Under the lock.
bool give_back_unrecorded(const StateDir &dir, Rtnl &rtnl, const Note &note) {
    constexpr Instant moment = std::chrono::milliseconds(10), patience = std::chrono::seconds(1);
    bool busy = false;
    std::vector<UnrecordedPair> found = all_unrecorded(dir, rtnl, busy);
    // The kernel takes a program off in its own time when the pin of its link is removed.
    for (const Instant end = now() + patience; busy && now() < end;) {
        sleep_until(now() + moment);
        found = all_unrecorded(dir, rtnl, busy);
    }
    for (const UnrecordedPair &pair : found) {
        std::string done = give_back(rtnl, pair);
        if (note) note(fmt::format("the record of the pair of {} was gone: {}", pair.name(), done));
    }
    return !found.empty();
}

/// A detach leaves neither in a record.
bool has_changes(const hl_pair &state) {
    return state.primary_saved.valid || state.standby_saved.valid ||
           std::ranges::any_of(state.hook,
                               [](const hl_hook &hook) { return hook.kind != HL_HOOK_NONE; });
}

/// Where a crash may have left it, and whoever comes next ends it.
bool is_staged(const StateDir &dir, const Pair &pair) {
    std::vector<std::string> places = dir.stages_aside();
    places.emplace_back(StateDir::stage_name);
    return std::ranges::any_of(
        places, [&](const std::string &name) { return pinned_id(dir.path(name)) == pair.id(); });
}

bool still_runs(const Pair &pair, PairNamespaces &namespaces) {
    const Members members = read_members(namespaces, pair);
    return std::ranges::any_of(hook_sites(pair, namespaces, members), [&](const HookSite &site) {
        return namespaces.at(site.where, [&] { return pair.runs(site.hook); });
    });
}

bool clear_filters(const StateDir &dir, Rtnl &rtnl) {
    std::vector<OwnFilter> left = filters_without_pair(dir, rtnl);
    std::ranges::for_each(left, remove_filter);
    return !left.empty();
}

} // namespace

std::string state_directory() {
    return StateDir().root();
}

std::vector<std::string> own_pairs(const StateDir &dir) {
    std::string prefix = fmt::format("{}-", netns_cookie());
    std::vector<std::string> out = dir.pairs();
    std::erase_if(out, [&](const std::string &name) { return !name.starts_with(prefix); });
    return out;
}

std::string standby_of(const StateDir &dir, const std::string &name) {
    try {
        return PairRecord(dir.path(name), Versions::known).state().standby_id.ifname;
    } catch (const Error &) {
        return name;
    }
}

std::vector<OwnFilter> filters_without_pair(const StateDir &dir, Rtnl &rtnl) {
    try {
        std::vector<OwnFilter> out = own_filters(rtnl);
        std::erase_if(out, [&](const OwnFilter &filter) {
            return has_owner(dir, filter.ifindex, {HL_HOOK_CLSACT});
        });
        return out;
    } catch (const Error &error) {
        if (error.code() != EPROTO) throw;
        return {};
    }
}

std::vector<Ifindex> xdp_without_pair(const StateDir &dir, Rtnl &rtnl) {
    try {
        std::vector<Ifindex> out;
        for (const Link &link : rtnl.links())
            if (has_own_xdp(number(link.index)) &&
                !has_owner(dir, number(link.index), {HL_HOOK_XDP, HL_HOOK_XDP_ALONE}))
                out.push_back(link.index);
        return out;
    } catch (const Error &error) {
        if (error.code() != EPROTO) throw;
        return {};
    }
}

std::vector<UnrecordedPair> pairs_without_record(const StateDir &dir, Rtnl &rtnl) {
    auto find = [&] {
        bool busy = false;
        std::vector<UnrecordedPair> out = all_unrecorded(dir, rtnl, busy);
        std::erase_if(out, [](const UnrecordedPair &pair) { return pair.text().empty(); });
        return out;
    };
    if (dir.has_stage() || find().empty()) return {};
    StateDir own;
    std::optional<StateDir::Lock> lock = own.try_lock();
    return lock && !dir.has_stage() ? find() : std::vector<UnrecordedPair>();
}

Error record_is_gone(const UnrecordedPair &pair) {
    return Error(ENOENT, fmt::format("read the pair of {}", pair.name()),
                 fmt::format("its record is gone; {}", pair.text()),
                 "`hitless detach --all` ends it, and gives back what is there");
}

std::string pair_of(const StateDir &dir, Rtnl &rtnl, const std::string &standby) {
    std::optional<Link> link = rtnl.link(standby);
    std::vector<std::string> pairs = own_pairs(dir);
    for (const std::string &name : pairs) {
        if (name == standby) return name;
        if (link && name == pair_name(link->index) && !is_another_device(dir, rtnl, name))
            return name;
    }
    for (const std::string &name : pairs)
        if (is_of(dir.path(name), standby, link)) return name;
    for (const UnrecordedPair &pair : pairs_without_record(dir, rtnl))
        if (pair.is_of(standby)) throw record_is_gone(pair);
    throw Error(link ? ENOENT : ENODEV, fmt::format("find the pair of {}", standby),
                link ? "none is attached to it" : "there is no such interface",
                pairs.empty() ? fmt::format("`hitless attach {}` makes one", shell_quoted(standby))
                              : "`hitless status` lists the pairs");
}

std::string pair_name(Ifindex standby) {
    return StateDir::pair_name(netns_cookie(), number(standby));
}

bool clear_stage(StateDir &dir, Rtnl &rtnl, const Note &note) {
    const uint64_t own = netns_cookie();
    bool found = clear_takeovers(dir, rtnl);
    if (dir.has_stage()) {
        uint64_t whose = namespace_of(dir.stage());
        found = whose == own || whose == 0;
        if (found)
            detach_pinned(dir.stage(), rtnl);
        else
            dir.set_stage_aside(whose);
    }
    for (const std::string &name : dir.stages_aside()) {
        if (StateDir::cookie_in(name) != own) continue;
        detach_pinned(dir.path(name), rtnl);
        found = true;
    }
    remove_remains(dir);
    found |= clear_filters(dir, rtnl);
    return give_back_unrecorded(dir, rtnl, note) || found;
}

void clear_predecessor(StateDir &dir, Rtnl &rtnl, const AttachRequest &request) {
    std::optional<Link> standby = rtnl.link(request.standby);
    if (!standby) return;
    const std::string name = pair_name(standby->index);
    if (access(dir.path(name).c_str(), F_OK) < 0) return;
    try {
        Pair pair = Pair::open(dir.path(name));
        PairNamespaces namespaces(rtnl, pair.state().failover.netns);
        if (read_members(namespaces, pair).standby) return;
    } catch (const Error &error) {
        if (error.code() != ENOENT) return; // of another version: attaching will say so
    }
    detach_pair(dir, rtnl, name, request.note);
}

bool end_lost_pair(const StateDir &dir, Rtnl &rtnl, const std::string &name, Pair &pair,
                   const Note &note) {
    const hl_pair &state = pair.state();
    if (std::ranges::count(own_pairs(dir), name)) return true;    // another has its NICs now
    if (!has_changes(state) || is_staged(dir, pair)) return true; // a detach has ended it, or will
    PairNamespaces namespaces(rtnl, state.failover.netns);
    if (still_runs(pair, namespaces)) return false;
    const std::string standby = state.standby_id.ifname;
    const std::string refused = disassemble(pair, namespaces);
    if (note)
        note(fmt::format(
            "{}: somebody has removed the pair's pins, and its programs went with them: {}",
            standby,
            refused.empty() ? "the settings of its NICs are given back"
                            : refused + "; all else is given back"));
    return true;
}

void detach_pair(StateDir &dir, Rtnl &rtnl, const std::string &name, const Note &note) {
    clear_stage(dir, rtnl);
    clear_takeover(dir, rtnl, name); // or what it left would be taken for that of the next pair
    check_detachable(dir, name);
    auto [why, refused] = detach_pinned(dir.unpublish(name), rtnl);
    if (!why.empty()) give_back_unrecorded(dir, rtnl, note);
    if (note && !refused.empty()) note(fmt::format("{}; all else is given back", refused));
    if (note && !why.empty())
        note(fmt::format(
            "the pair {} {}: it is detached, but the settings of its NICs were not "
            "given back; `ip -d link` and `sysctl net.ipv4.conf.NIC.arp_ignore` show them",
            name, why));
}

} // namespace hitless
