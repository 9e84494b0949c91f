// SPDX-License-Identifier: BSD-2-Clause
#include "loader/api.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/inspect/health.hpp"
#include "loader/engine/inspect/other_programs.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/hooks.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/takeover.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/offload.hpp"

#include <bit>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

NicStatus nic_status(const hl_identity &id, const std::optional<Link> &link) {
    NicStatus out;
    out.ifname = link ? link->name : id.ifname;
    out.index = Ifindex{id.ifindex};
    out.mac = mac_of(id.mac);
    out.bus = id.bus;
    if (!link) return out;
    out.mac = link->mac;
    out.present = true;
    out.mtu = link->mtu;
    out.tx_dropped = link->tx_dropped;
    out.up = link->up;
    out.carrier = link->carrier;
    return out;
}

/// Where the next frame goes: the rule of bpf/lib/path.h.
bool primary_active(const PairStatus &pair) {
    bool blind = pair.liveness == HL_LIVENESS_NETLINK;
    bool primary_works = pair.primary.known && (blind || (pair.primary.up && pair.primary.carrier));
    if (pair.veto == 0) return primary_works;
    bool doubtful = (pair.veto & ~HL_VETO_SOFT) == 0;
    bool standby_works = blind || (pair.standby.up && pair.standby.carrier);
    return doubtful && !standby_works && primary_works;
}

using Problems = std::vector<Problem>;

/// What makes the same pair anew: under one lock, with its rule, policy, gate and failover device.
std::string attach_again(const PairStatus &pair) {
    return fmt::format("hitless convert {} --model {} --gap", shell_quoted(pair.name),
                       model_name(pair.model));
}

/// What a failover device has lost of native XDP.
void find_native_problems(Problems &out, const Pair &pair, Rtnl &rtnl, const PairStatus &status) {
    const hl_pair &state = pair.state();
    std::optional<Link> inner = rtnl.link(Ifindex{state.failover.inner});
    if (!inner) return;
    if (!pair.attached(HL_HOOK_XDP_INNER))
        out.push_back(
            {fmt::format("{} no longer runs our programs", inner->name), attach_again(status)});
    if (why_no_native_send(abilities(*inner)))
        out.push_back({"the failover device takes no XDP frames",
                       fmt::format("ethtool -K {} gro on", shell_quoted(status.failover))});
    for (hl_role role : {HL_ROLE_PRIMARY, HL_ROLE_STANDBY}) {
        std::optional<Link> nic = find_nic(rtnl, pair, role);
        std::optional<Refusal> refusal = nic ? why_not_native(pair, role, *nic) : std::nullopt;
        if (refusal)
            out.push_back({fmt::format("tc carries the frames of {}: {}", nic->name, refusal->why),
                           refusal->remedy.empty() ? attach_again(status) : refusal->remedy});
    }
}

/// What brings a program of ours back to its place, or behind filters of others. A failover device
/// goes with its pair, and so would what others have on it: there only a controller can.
std::string mend_hook(const HookSite &site, const Pair &pair, const PairStatus &status,
                      bool controlled) {
    Direction d = site.hook == HL_HOOK_EGRESS ? Direction::egress : Direction::ingress;
    std::string room = make_room({number(site.device.index), d, site.device.name});
    if (!room.empty()) return room;
    return pair.model().has_failover && !controlled ? "hitless run" : attach_again(status);
}

/// Programs of ours that are gone, and what of others on the master does not come by frames that
/// ours lead away; each in the namespace of its device.
void find_misplaced_programs(Problems &out, const Pair &pair, PairNamespaces &namespaces,
                             const Members &members, const PairStatus &status) {
    bool controlled = is_controlled(); // of the guest's namespace
    for (const HookSite &site : hook_sites(pair, namespaces, members))
        namespaces.at(site.where, [&] {
            auto say = [&](const std::string &what) {
                out.push_back({what, mend_hook(site, pair, status, controlled)});
            };
            if (!pair.attached(site.hook)) return say(site.shown + " no longer runs our program");
            if (hides_frames(pair, site))
                say(site.device.name + " has clsact filters that miss redirected frames");
            if (pair.hides_from_others(site.hook))
                say(site.shown + " has tcx programs behind ours that miss redirected frames");
        });
}

Problems find_problems(const Pair &pair, PairNamespaces &namespaces, const Members &members,
                       const PairStatus &status) {
    Problems out;
    if (!members.standby)
        out.push_back({fmt::format("the standby {} is gone", status.standby.ifname),
                       fmt::format("hitless detach {}", shell_quoted(status.name))});
    else if (!members.master)
        out.push_back({"the failover device is gone", attach_again(status)});
    if (!out.empty()) return out;
    if (status.datapath == HL_DATAPATH_XDP)
        find_native_problems(out, pair, namespaces.rtnl(PairNetns::guest), status);
    find_misplaced_programs(out, pair, namespaces, members, status);
    auto was_away = [&](const std::string &device) {
        out.push_back(
            {fmt::format("{} was away and nobody has taken it back: frames do not come by "
                         "the pair",
                         device),
             "hitless run"});
    };
    if (!pair.resolved(HL_ROLE_STANDBY)) was_away("the standby " + status.standby.ifname);
    if (pair.model().has_failover && !pair.resolved(HL_PORT_MASTER))
        was_away("the failover device");
    if (status.primary.present && !status.primary.known)
        out.push_back({fmt::format("the primary {} was away and nobody has taken it back",
                                   status.primary.ifname),
                       "hitless run"});
    else if (status.veto == 0 && !(status.primary.up && status.primary.carrier) &&
             status.candidate.empty())
        out.push_back({fmt::format("the primary {} is {} and no controller has noticed",
                                   status.primary.ifname, status.primary.present ? "down" : "gone"),
                       "hitless run"});
    find_unhealthy(out, pair, namespaces, members, status);
    find_idle_qdiscs(out, pair, namespaces, members, status);
    find_idle_filters(out, pair, members);
    find_idle_chains(out, pair, members);
    find_expiring(out, namespaces.rtnl(PairNetns::guest), pair.state(), *members.master);
    find_other_programs(out, pair, namespaces, members);
    return out;
}

std::optional<HostStatus> host_status(const hl_host &host) {
    if (!host.heard && !host.ignored) return std::nullopt;
    HostStatus out;
    out.lease_end = Instant(host.lease_end_ns);
    out.last_heard = Instant(host.heard_ns);
    out.speaks = out.lease_end > now();
    out.since = Instant(host.since_ns);
    out.want = DataPath{std::min<uint8_t>(host.want, HL_CHANNEL_PATHS - 1)};
    out.downlink = DataPath{std::min<uint8_t>(host.downlink, HL_CHANNEL_PATHS - 1)};
    out.able = host.able;
    out.told = GuestPrimary{std::min<uint8_t>(host.primary, HL_CHANNEL_PRIMARIES - 1)};
    out.slot = host.slot;
    out.heard = host.heard;
    out.ignored = host.ignored;
    out.sent = host.sent;
    return out;
}

/// Not one that goes on at this moment.
bool is_interrupted(const StateDir &dir, const std::string &name) {
    return dir.has_upgrade(name) && !dir.is_locked();
}

/// Of a takeover that was interrupted before ours was published the older pair is in force.
Pair open_pair(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    try {
        return Pair::open(dir.path(name));
    } catch (const Error &error) {
        if (error.code() != EPROTO || !is_interrupted(dir, name)) throw;
        throw Error(EPROTO, fmt::format("read the pair of {}", standby_of(dir, name)),
                    describe_takeover(dir, rtnl, name),
                    "`hitless upgrade` ends that, and takes the pair over");
    }
}

/// ... and after it, ours, with what is to be removed.
void find_interrupted(Problems &out, const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    if (!is_interrupted(dir, name)) return;
    try {
        out.push_back({describe_takeover(dir, rtnl, name), "hitless upgrade"});
    } catch (const Error &error) {
        out.push_back({error.problem(), error.way_out()});
    }
}

PairStatus read_status(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    Pair pair = open_pair(dir, rtnl, name);
    const hl_pair &state = pair.state();
    PairStatus out;
    out.model = static_cast<hl_model>(state.model);
    out.datapath = static_cast<hl_datapath>(state.datapath);
    out.liveness = static_cast<hl_liveness>(state.liveness);
    out.selector = selector_of(state);
    out.policy = policy_of(state);
    out.veto = pair.view().veto();
    out.flips = pair.view().flips();
    for (const VetoReason &reason : veto_reasons)
        if (out.veto & reason.bit) {
            const hl_note &note = state.note[std::countr_zero(reason.bit)];
            out.vetoes.push_back({reason, Instant(note.time_ns), actor_of(note.actor)});
        }
    out.netns = state.failover.netns;
    PairNamespaces namespaces(rtnl, out.netns);
    Members members = read_members(namespaces, pair);
    out.standby = nic_status(state.standby_id, members.standby);
    out.primary = nic_status(state.primary_id, members.primary);
    out.proved = out.primary.present && state.proof == HL_PROOF_ANSWER;
    out.primary.known = pair.resolved(HL_ROLE_PRIMARY);
    out.primary.native = state.hook[HL_HOOK_XDP_PRIMARY].kind && pair.attached(HL_HOOK_XDP_PRIMARY);
    out.standby.native = state.hook[HL_HOOK_XDP_STANDBY].kind && pair.attached(HL_HOOK_XDP_STANDBY);
    out.name = out.standby.present ? out.standby.ifname : name;
    out.counters = pair.counters();
    out.host = host_status(state.host);
    out.primary_active = primary_active(out);
    out.master_down = members.master && !members.master->up;
    if (pair.model().has_failover && members.master) out.failover = members.master->name;
    Untaken untaken = find_untaken(pair, namespaces, members);
    out.candidate = untaken.name;
    out.problems = find_problems(pair, namespaces, members, out);
    std::ranges::move(untaken.problems, std::back_inserter(out.problems));
    find_interrupted(out.problems, dir, rtnl, name);
    return out;
}

} // namespace

bool PairStatus::healthy() const {
    return problems.empty() && (primary_active || (veto & ~HL_VETO_CHOSEN) == 0);
}

std::vector<PairStatus> status(std::vector<UnreadablePair> *unreadable) {
    StateDir dir;
    Rtnl rtnl;
    std::vector<PairStatus> out;
    std::optional<Error> first;
    for (const std::string &name : own_pairs(dir)) {
        try {
            out.push_back(read_status(dir, rtnl, name));
        } catch (const Error &error) {
            if (!std::ranges::count(own_pairs(dir), name)) continue; // it was detached meanwhile
            if (unreadable) unreadable->push_back({name, standby_of(dir, name), error});
            if (!first) first = error;
        }
    }
    for (const UnrecordedPair &pair : pairs_without_record(dir, rtnl)) {
        if (unreadable) unreadable->push_back({pair.name(), pair.name(), record_is_gone(pair)});
        if (!first) first = record_is_gone(pair);
    }
    if (first && out.empty() && !unreadable) throw *first;
    return out;
}

PairStatus status(const std::string &standby) {
    StateDir dir;
    Rtnl rtnl;
    return read_status(dir, rtnl, pair_of(dir, rtnl, standby));
}

} // namespace hitless
