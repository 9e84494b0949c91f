// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/takeover.hpp"
#include "loader/core/error.hpp"
#include "loader/core/former_abi.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/state/pair.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace hitless {
namespace {

bool is_of(const std::string &dir, Versions versions) {
    try {
        PairRecord record(dir, versions);
        return true;
    } catch (const Error &error) {
        // Not what this moment lacks, memory or descriptors: what follows would take it for a
        // state.
        if (error.code() != ENOENT && error.code() != EPROTO) throw;
        return false;
    }
}

/// In the namespace of its device, where that still is.
template <typename Step>
void each_hook(const Pair &pair, Rtnl &rtnl, Step step) {
    PairNamespaces namespaces(rtnl, pair.state().failover.netns);
    for (const HookRow &row : pair.model().hooks)
        if (namespaces.has(row.where)) namespaces.at(row.where, [&] { step(row.hook); });
}

/// Every hook must be within reach before the first is changed: one that was passed over would lose
/// its program with the former pair's pins.
void refuse_unreachable(const Pair &former, Rtnl &rtnl) {
    PairNamespaces namespaces(rtnl, former.state().failover.netns);
    for (const HookRow &row : former.model().hooks)
        if (former.state().hook[row.hook].kind != HL_HOOK_NONE && !namespaces.has(row.where))
            throw Error(ENOENT, fmt::format("enter {}", former.state().failover.netns));
}

/// What somebody has written into the former record since `seen`, who could not know of ours.
void follow_writers(const Pair &former, Pair &ours, uint64_t &seen) {
    const hl_pair &theirs = former.state();
    const uint64_t now_there = former.view().veto();
    VetoChange change = change_of(std::exchange(seen, now_there), now_there);
    for (unsigned bit = 0; bit < HL_VETO_BITS; bit++) {
        const hl_note &note = theirs.note[bit];
        if (change.set >> bit & 1)
            ours.view().set_veto(1ull << bit, static_cast<hl_actor>(note.actor), note.time_ns);
    }
    if (change.cleared)
        ours.view().clear_veto(change.cleared, HL_ACTOR_CONTROLLER,
                               static_cast<uint64_t>(now().count()));
    ours.state().proof = theirs.proof;
}

/// The pair that is published runs again, of whichever version.
void undo(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string follower = dir.upgrade_of(name);
    if (is_of(dir.path(name), Versions::known)) {
        Pair pair = Pair::open_remains(dir.path(name));
        each_hook(pair, rtnl, [&](hl_hook_id hook) { pair.give_back(hook, follower); });
    }
    StateDir::remove(follower);
}

/// Our pair is published: what the former one still has goes.
void finish(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string left = dir.upgrade_of(name);
    {
        Pair former = Pair::open_remains(left);
        each_hook(former, rtnl, [&](hl_hook_id hook) { former.retire(hook); });
    }
    StateDir::remove(left);
}

/// Up to the step after which ours is the pair.
void publish_follower(StateDir &dir, Rtnl &rtnl, const Pair &former, const std::string &name) {
    refuse_unreachable(former, rtnl);
    Pair ours = Pair::follow(former, dir.make_upgrade(name));
    uint64_t seen = former.view().veto();
    ours.state() = from_former(former.state(), now());
    ours.state().veto = seen;
    each_hook(former, rtnl, [&](hl_hook_id hook) { ours.take_over(hook, former); });
    follow_writers(former, ours, seen);
    dir.exchange(name);
    follow_writers(former, ours, seen); // of a writer that had opened it before
    ours.ring_bell();
}

/// Also one that a version after ours began: its programs go as they came.
void clear_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    bool published =
        is_of(dir.path(name), Versions::ours) && is_of(dir.upgrade_of(name), Versions::former);
    if (published)
        finish(dir, rtnl, name);
    else
        undo(dir, rtnl, name);
}

void clear_takeover_of(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    if (std::ranges::count(dir.upgrades(), name)) clear_takeover(dir, rtnl, name);
}

} // namespace

void take_over(StateDir &dir, Rtnl &rtnl, const std::string &name) {
    try {
        Pair former = Pair::open_former(dir.path(name));
        publish_follower(dir, rtnl, former, name);
        finish(dir, rtnl, name);
    } catch (const Error &error) {
        std::string why = error.what();
        try {
            clear_takeover_of(dir, rtnl, name);
        } catch (const Error &undoing) {
            why += fmt::format("; and it is not undone yet: {}", undoing.what());
        }
        if (is_of(dir.path(name), Versions::ours)) return;
        throw Error(error.code(), fmt::format("take over the pair {}", name),
                    why + "; it stays in force as the older version made it", "");
    }
}

void check_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    Pair former = Pair::open_former(dir.path(name));
    refuse_unreachable(former, rtnl);
    Pair::try_to_follow(former);
}

bool clear_takeovers(StateDir &dir, Rtnl &rtnl) {
    bool found = false;
    for (const std::string &name : dir.upgrades()) {
        if (StateDir::cookie_in(name) != netns_cookie()) continue;
        found = true;
        try {
            clear_takeover(dir, rtnl, name);
        } catch (const Error &) {
            // `doctor` lists it; whoever needs this pair meets the reason again.
        }
    }
    return found;
}

} // namespace hitless
