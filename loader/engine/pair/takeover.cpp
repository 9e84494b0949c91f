// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/takeover.hpp"
#include "loader/core/error.hpp"
#include "loader/core/former_abi.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/netns/private_netns.hpp"
#include "loader/kernel/state/pair.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <vector>

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

/// HL_ABI_VERSION of what is pinned there; nothing where no record is. Throws EPROTO where we do
/// not know it.
std::optional<uint32_t> version_in(const std::string &dir) {
    try {
        return PairRecord(dir, Versions::known).state().abi_version;
    } catch (const Error &error) {
        if (error.code() != ENOENT) throw;
        return std::nullopt;
    }
}

/// In which the hooks get their new programs. First the NIC that is the path: its program has to
/// know of strays by the other one, which only the new programs are told lastingly. Last, directly
/// before the pair is published, what chooses the path: until then a controller and commands of the
/// older version steer, who may live and do not know of ours.
std::vector<HookRow> takeover_order(const hl_pair &pair) {
    const ModelRow &model = model_row(pair);
    std::vector<HookRow> out(model.hooks.begin(), model.hooks.end());
    PairDevice path = pair.veto ? PairDevice::standby : PairDevice::primary;
    std::ranges::stable_sort(out, {}, [&](const HookRow &row) {
        return row.chooses_path() ? 2 : row.device == path ? 0 : 1;
    });
    return out;
}

/// The same backwards, so that however far it comes the rules above hold.
std::vector<HookRow> way_back(const hl_pair &pair) {
    std::vector<HookRow> out = takeover_order(pair);
    std::ranges::reverse(out);
    return out;
}

/// A namespace that is gone has taken its hooks along. One that is only out of sight has not, and
/// what is passed over there would lose its program with the pins.
void refuse_out_of_sight(const std::string &netns) {
    if (std::ranges::count(PrivateNetns::named(netns), netns))
        throw Error(EBUSY, fmt::format("enter the network namespace {}", netns),
                    "its name is there, but not the namespace",
                    "go on in the mount namespace in which it is; or remove the name, if the "
                    "namespace is gone");
}

/// In the namespace of its device, where that still is.
template <typename Step>
void each_hook(const hl_pair &pair, Rtnl &rtnl, const std::vector<HookRow> &order, Step step) {
    PairNamespaces namespaces(rtnl, pair.failover.netns);
    for (const HookRow &row : order) {
        if (namespaces.has(row.where))
            namespaces.at(row.where, [&] { step(row.hook); });
        else if (pair.hook[row.hook].kind != HL_HOOK_NONE)
            refuse_out_of_sight(pair.failover.netns);
    }
}

/// Every hook must be within reach before the first is changed: one that was passed over would lose
/// its program with the former pair's pins.
void refuse_unreachable(const Pair &former, Rtnl &rtnl) {
    PairNamespaces namespaces(rtnl, former.state().failover.netns);
    for (const HookRow &row : former.model().hooks)
        if (former.state().hook[row.hook].kind != HL_HOOK_NONE && !namespaces.has(row.where))
            throw Error(ENOENT, fmt::format("enter {}", former.state().failover.netns));
}

/// What somebody has written into the former record, who could not know of ours.
void follow_writers(const hl_pair &theirs, Pair &ours) {
    const uint64_t now_there = *static_cast<const volatile __u64 *>(&theirs.veto);
    VetoChange change = change_of(ours.state().former_veto, now_there);
    for (unsigned bit = 0; bit < HL_VETO_BITS; bit++) {
        const hl_note &note = theirs.note[bit];
        if (change.set >> bit & 1)
            ours.view().set_veto(1ull << bit, static_cast<hl_actor>(note.actor), note.time_ns);
    }
    if (change.cleared)
        ours.view().clear_veto(change.cleared, HL_ACTOR_CONTROLLER,
                               static_cast<uint64_t>(now().count()));
    ours.state().proof = std::max(ours.state().proof, theirs.proof);
    ours.state().former_veto = static_cast<uint32_t>(now_there);
}

/// The same of those who had it open when ours was published: until nobody can write there any
/// more. False when somebody still can after a while.
bool follow_last_writers(const PairRecord &former, Pair &ours) {
    constexpr Instant look{std::chrono::milliseconds(5)}, slack{std::chrono::seconds(1)};
    const Probing how = policy_of(former.state()).probing; // an `attach` waits for its proof
    const Instant end = now() + how.up_delay + how.timeout + slack;
    while (true) {
        bool last = former.seal(), late = now() >= end;
        uint64_t before = ours.view().veto();
        follow_writers(former.state(), ours);
        if (ours.view().veto() != before) ours.ring_bell();
        if (last || late) return last;
        sleep_until(now() + look);
    }
}

/// The pair that is published runs again, of whichever version.
void undo(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string follower = dir.upgrade_of(name);
    if (is_of(dir.path(name), Versions::known)) {
        Pair pair = Pair::open_remains(dir.path(name));
        pair.doubt_unicast(false);
        each_hook(pair.state(), rtnl, way_back(pair.state()),
                  [&](hl_hook_id hook) { pair.give_back(hook, follower); });
    }
    StateDir::remove(follower);
}

std::string describe_holders(const std::vector<int> &pids) {
    const std::string who = pids.empty() ? "a process of the older version"
                                         : fmt::format("process {}", fmt::join(pids, ", "));
    return who + " still has the pair open as the older version made it: what it writes from now "
                 "on goes nowhere; end it and repeat what it was to do";
}

/// Of where nothing of the older version runs any more; "" when there is no such place.
std::string describe_empty(const Pair &pair, Rtnl &rtnl) {
    PairNamespaces namespaces(rtnl, pair.state().failover.netns);
    std::vector<std::string> at;
    for (const HookSite &site : empty_sites(pair, namespaces, read_members(namespaces, pair)))
        at.push_back(site.shown);
    if (at.empty()) return "";
    return fmt::format("somebody has taken the older version's program off {}: ours is attached "
                       "there",
                       fmt::join(at, ", "));
}

/// Only when our pair is published: there is nothing that could be given back. Returns remarks.
std::vector<std::string> fill_empty(Pair &ours, Rtnl &rtnl) {
    std::vector<std::string> out;
    PairNamespaces namespaces(rtnl, ours.state().failover.netns);
    const std::string found = describe_empty(ours, rtnl);
    if (!found.empty()) out.push_back(found);
    for (const HookSite &site : empty_sites(ours, namespaces, read_members(namespaces, ours))) {
        try {
            namespaces.at(site.where, [&] { ours.attach(site.hook, site.device); });
        } catch (const Error &error) {
            out.push_back(fmt::format("not yet at {}: {}", site.shown, error.what()));
        }
    }
    return out;
}

/// Our pair is published: what the former one still has goes. Returns what there is to say of that.
std::string finish(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string left = dir.upgrade_of(name);
    Pair ours = Pair::open_remains(dir.path(name));
    ours.doubt_unicast(false);
    PairRecord former(left, Versions::former);
    each_hook(former.state(), rtnl, takeover_order(former.state()),
              [&](hl_hook_id hook) { retire_hook(former, left, dir.path(name), hook); });
    std::vector<std::string> remarks = fill_empty(ours, rtnl);
    if (!follow_last_writers(former, ours)) remarks.push_back(describe_holders(former.holders()));
    StateDir::remove(left);
    return fmt::format("{}", fmt::join(remarks, "; "));
}

/// What a takeover and a check of it look at first, in this order: so the two say the same.
void try_hooks(const Pair &former, Rtnl &rtnl) {
    refuse_unreachable(former, rtnl);
    each_hook(former.state(), rtnl, takeover_order(former.state()),
              [&](hl_hook_id hook) { former.try_to_follow(hook); });
}

/// Up to the step after which ours is the pair.
void publish_follower(StateDir &dir, Rtnl &rtnl, const Pair &former, const std::string &name) {
    try_hooks(former, rtnl);
    const std::vector<HookRow> order = takeover_order(former.state());
    former.check_room();
    Pair ours = Pair::follow(former, dir.make_upgrade(name));
    ours.doubt_unicast(true);
    former.doubt_unicast(false);
    each_hook(former.state(), rtnl, order, [&](hl_hook_id hook) {
        follow_writers(former.state(), ours); // or the new one would choose by what was
        ours.take_over(hook, former);
    });
    follow_writers(former.state(), ours);
    dir.exchange(name);
    follow_writers(former.state(), ours);
    ours.ring_bell();
}

/// Not a pair that was made anew, under the same name, beside what a takeover had left.
bool is_follower(const StateDir &dir, const std::string &name) {
    PairRecord ours(dir.path(name)), former(dir.upgrade_of(name), Versions::former);
    return ours.state().former_abi && ours.state().attached_ns == former.state().attached_ns;
}

/// Nothing where a crash came before its record was pinned.
std::optional<Pair> open_if_recorded(const std::string &dir) {
    if (!version_in(dir)) return std::nullopt;
    return Pair::open_remains(dir);
}

/// By the errno; "" where the error itself knows more.
std::string_view way_out(int error) {
    switch (error) {
    case EMFILE: return "`ulimit -n 1024 && hitless upgrade`";
    case ENFILE:
    case ENOMEM:
    case ENOSPC: return "when there is room again: `hitless upgrade`";
    case EPERM: return "as root: `hitless upgrade`";
    default: return "";
    }
}

/// One sentence, and what to do.
Error refusal(const std::string &name, const Error &error, const std::string &not_undone = {}) {
    const bool lacks_part = error.code() == ENOENT;
    std::string why = error.problem(), out(way_out(error.code()));
    if (lacks_part) why += ": the pair is incomplete";
    if (out.empty()) {
        if (!lacks_part && !error.way_out().empty()) why += "; " + error.way_out();
        out = fmt::format("when that is mended: `hitless upgrade`; or `hitless detach {}`, and "
                          "attach it anew",
                          name);
    }
    return Error(error.code(), "take over the pair",
                 why + not_undone + "; it stays in force as the older version made it", out);
}

} // namespace

std::string take_over(StateDir &dir, Rtnl &rtnl, const std::string &name) {
    try {
        publish_follower(dir, rtnl, Pair::open_former(dir.path(name)), name);
        return finish(dir, rtnl, name);
    } catch (const Error &error) {
        std::string not_undone;
        try {
            clear_takeover(dir, rtnl, name);
        } catch (const Error &undoing) {
            not_undone = fmt::format("; and it is not undone yet: {}", undoing.what());
        }
        if (is_of(dir.path(name), Versions::ours))
            return dir.has_upgrade(name) ? fmt::format("what the older version had is not removed "
                                                       "yet: {}{}",
                                                       error.what(), not_undone)
                                         : "";
        throw refusal(name, error, not_undone);
    }
}

std::string check_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    try {
        Pair former = Pair::open_former(dir.path(name));
        try_hooks(former, rtnl);
        Pair::try_to_follow(former);
        if (!dir.has_upgrade(name)) return describe_empty(former, rtnl);
        return describe_takeover(dir, rtnl, name) + "; `hitless upgrade` ends that first";
    } catch (const Error &error) {
        throw refusal(name, error);
    }
}

std::vector<std::string> own_takeovers(const StateDir &dir) {
    std::vector<std::string> out = dir.upgrades();
    std::erase_if(out, [own = netns_cookie()](const std::string &name) {
        return StateDir::cookie_in(name) != own;
    });
    return out;
}

Takeover progress_of(const StateDir &dir, const std::string &name) {
    try {
        bool ours = version_in(dir.path(name)) == HL_ABI_VERSION;
        bool former = version_in(dir.upgrade_of(name)) == HL_ABI_FORMER;
        return ours && former && is_follower(dir, name) ? Takeover::published : Takeover::begun;
    } catch (const Error &error) {
        if (error.code() != EPROTO) throw;
        throw Error(EPROTO, fmt::format("end the interrupted takeover of the pair {}", name),
                    error.problem(),
                    "that version ends it, by its own `upgrade` or the next command that changes "
                    "pairs");
    }
}

std::string describe_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const bool published = progress_of(dir, name) == Takeover::published;
    const Pair pair = Pair::open_remains(dir.path(name));
    // When ours is published no older program runs by a link, and the older record may be sealed.
    const std::optional<Pair> follower =
        published ? std::nullopt : open_if_recorded(dir.upgrade_of(name));
    const Pair *newer = published ? &pair : follower ? &*follower : nullptr;
    const Pair *older = published ? nullptr : &pair;
    std::vector<std::string> by_newer, by_older, by_none;
    PairNamespaces namespaces(rtnl, pair.state().failover.netns);
    for (const HookSite &site : all_hook_sites(pair, namespaces, read_members(namespaces, pair))) {
        if (pair.state().hook[site.hook].kind == HL_HOOK_NONE) continue;
        namespaces.at(site.where, [&] {
            const auto runs = [&](const Pair *whose) {
                return whose && whose->attached(site.hook);
            };
            (runs(newer) ? by_newer : runs(older) ? by_older : by_none).push_back(site.shown);
        });
    }
    std::vector<std::string> parts;
    const auto tell = [&](const char *whose, const std::vector<std::string> &at) {
        if (!at.empty()) parts.push_back(fmt::format("{} at {}", whose, fmt::join(at, ", ")));
    };
    tell("this version's programs run", by_newer);
    tell("the older version's run", by_older);
    tell("none runs", by_none);
    if (published) parts.emplace_back("what the older version had is not removed yet");
    return fmt::format("its takeover from ABI {} was interrupted: {}", HL_ABI_FORMER,
                       fmt::join(parts, ", "));
}

std::string clear_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    if (!dir.has_upgrade(name)) return "";
    if (progress_of(dir, name) == Takeover::published) return finish(dir, rtnl, name);
    undo(dir, rtnl, name);
    return "";
}

bool clear_takeovers(const StateDir &dir, Rtnl &rtnl) {
    bool ended = false;
    for (const std::string &name : own_takeovers(dir)) {
        try {
            clear_takeover(dir, rtnl, name);
            ended = true;
        } catch (const Error &) {
            // `doctor` and `upgrade` name it; whoever needs this pair meets the reason again.
        }
    }
    return ended;
}

} // namespace hitless
