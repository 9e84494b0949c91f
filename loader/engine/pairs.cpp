// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pairs.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/assembly.hpp"
#include "loader/engine/ground.hpp"
#include "loader/engine/members.hpp"
#include "loader/kernel/announce.hpp"
#include "loader/kernel/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

/// How long the primary still delivers what the network had sent towards it.
constexpr auto drain = std::chrono::milliseconds(20);

/// The network learns that the guest is behind the standby before the primary goes deaf.
void leave_primary(Pair &pair, Rtnl &rtnl) {
    const hl_pair &state = pair.state();
    auto when = static_cast<uint64_t>(now().count());
    if (pair.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, when) != 0) return;
    Announcer announcer;
    announcer.learn(rtnl, stations(rtnl.links(), master_of(state), mac_of(state.mac)),
                    policy_of(state).announce);
    announcer.tell();
    sleep_until(now() + drain);
}

/// Detaches in the order that keeps frames flowing.
void take_off(const std::string &dir, Rtnl &rtnl) {
    Pair pair = Pair::open(dir);
    if (pair.state().netns_cookie != netns_cookie()) return; // its NICs are out of reach from here
    Places places(rtnl, pair.state().failover.netns);
    leave_primary(pair, rtnl);
    take_off(pair, places);
}

/// Also what is incomplete or of another version: removing its pins frees its tcx links all the
/// same. Returns why its settings could not be given back, if so.
std::string take_apart(const std::string &dir, Rtnl &rtnl) {
    std::string why;
    try {
        take_off(dir, rtnl);
    } catch (const Error &error) {
        if (error.code() != ENOENT && error.code() != EPROTO) throw;
        why = error.code() == EPROTO ? "was made by another version of hitless" : "was incomplete";
    }
    StateDir::remove(dir);
    return why;
}

/// The pair's standby out of sight, or its failover device: the pair is named after the former.
bool is_of(const std::string &dir, const std::string &ifname, const std::optional<Link> &link) {
    try {
        PairRecord pair(dir);
        const hl_pair &state = pair.state();
        if (link) return state.failover.outer == number(link->index);
        return pair.layout().nics == Place::hidden && ifname == state.standby_id.ifname;
    } catch (const Error &) {
        return false; // one that cannot be opened is found by its directory's name alone
    }
}

/// Names of the private namespaces of all pairs of this one.
std::vector<std::string> grounds(const StateDir &dir) {
    std::vector<std::string> out;
    for (const std::string &name : own_pairs(dir)) {
        try {
            out.emplace_back(PairRecord(dir.path(name)).state().failover.netns);
        } catch (const Error &error) {
            if (error.code() == EPROTO) throw; // of another version: we cannot know
        }
    }
    return out;
}

/// What a crash left before there was a stage, or what lost its pins.
bool clear_grounds(const StateDir &dir, Rtnl &rtnl) {
    try {
        return sweep_grounds(rtnl, grounds(dir));
    } catch (const Error &error) {
        if (error.code() != EPROTO) throw;
        return false;
    }
}

/// Whether a pair's record has a filter there. Throws EPROTO where a record of another version
/// might.
bool has_owner(const StateDir &dir, const OwnFilter &filter) {
    for (const std::string &name : own_pairs(dir)) {
        try {
            PairRecord pair(dir.path(name));
            if (pair.layout().nics == Place::hidden) continue; // with numbers of their own
            for (const hl_hook &hook : pair.state().hook)
                if (hook.kind == HL_HOOK_CLSACT && hook.ifindex == filter.ifindex) return true;
        } catch (const Error &error) {
            if (error.code() == EPROTO) throw;
        }
    }
    return false;
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

std::vector<OwnFilter> filters_without_pair(const StateDir &dir, Rtnl &rtnl) {
    try {
        std::vector<OwnFilter> out = own_filters(rtnl);
        std::erase_if(out, [&](const OwnFilter &filter) { return has_owner(dir, filter); });
        return out;
    } catch (const Error &error) {
        if (error.code() != EPROTO) throw;
        return {};
    }
}

std::string pair_of(const StateDir &dir, Rtnl &rtnl, const std::string &standby) {
    std::optional<Link> link = rtnl.link(standby);
    std::vector<std::string> pairs = own_pairs(dir);
    for (const std::string &name : pairs) {
        if (name == standby) return name;
        if (link && name == StateDir::pair_name(netns_cookie(), number(link->index))) return name;
    }
    for (const std::string &name : pairs)
        if (is_of(dir.path(name), standby, link)) return name;
    throw Error(link ? ENOENT : ENODEV, fmt::format("find the pair of {}", standby),
                link ? "none is attached to it" : "there is no such interface",
                pairs.empty() ? fmt::format("`hitless attach {}` makes one", standby)
                              : "`hitless status` lists the pairs");
}

bool clear_stage(StateDir &dir, Rtnl &rtnl) {
    bool found = dir.has_stage();
    if (found) take_apart(dir.stage(), rtnl);
    found |= clear_filters(dir, rtnl);
    return clear_grounds(dir, rtnl) || found;
}

void clear_incomplete(StateDir &dir, Rtnl &rtnl) {
    for (const std::string &name : own_pairs(dir))
        if (!has_all_pins(dir.path(name))) dismantle(dir, rtnl, name, {});
}

void dismantle(StateDir &dir, Rtnl &rtnl, const std::string &name, const Note &note) {
    clear_stage(dir, rtnl);
    std::string why = take_apart(dir.withdraw(name), rtnl);
    if (note && !why.empty())
        note(fmt::format(
            "the pair {} {}: it is detached, but the settings of its primary were not "
            "given back; `ip -d link` and `sysctl net.ipv4.conf.NIC.arp_ignore` show them",
            name, why));
}

} // namespace hitless
