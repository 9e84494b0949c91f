// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members/members.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/kernel/netlink/devices.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace hitless {
namespace {

void copy_mac(__u8 (&to)[6], const Mac &from) {
    std::memcpy(to, from.bytes.data(), from.bytes.size());
}

void describe_nic(hl_identity &id, const Link &link) {
    copy_mac(id.mac, link.mac);
    copy_mac(id.perm_mac, link.perm_mac);
    id.ifindex = number(link.index);
    copy_text(id.bus, link.bus);
    copy_text(id.ifname, link.name);
}

hl_identity &id_of(hl_pair &state, hl_role role) {
    return role == HL_ROLE_PRIMARY ? state.primary_id : state.standby_id;
}

hl_hook_id hook_of(hl_role role) {
    return role == HL_ROLE_PRIMARY ? HL_HOOK_INGRESS_PRIMARY : HL_HOOK_INGRESS_STANDBY;
}

/// Into the private namespace, under the same number where that is free. Its name may be another's
/// there, and somebody may have renamed it since it was looked at: it is the one that is new.
Link move_in(PairNamespaces &namespaces, const Link &nic) {
    Rtnl &hidden = namespaces.rtnl(PairNetns::hidden);
    const std::vector<Link> before = hidden.links();
    move_device(namespaces.rtnl(PairNetns::guest), nic, namespaces.fd(PairNetns::hidden),
                nic.index);
    for (const Link &link : hidden.links())
        if (!std::ranges::count(before, link.index, &Link::index)) return link;
    throw Error(ENODEV, fmt::format("find {} after it moved", nic.name));
}

/// Back to the guest. It may have another name and number there, if its own are taken.
std::optional<Link> move_out(PairNamespaces &namespaces, const Link &nic) {
    move_device(namespaces.rtnl(PairNetns::hidden), nic, namespaces.fd(PairNetns::guest),
                nic.index);
    auto same = [&](const Link &link) {
        return link.mac == nic.mac && link.bus == nic.bus && link.kind == nic.kind;
    };
    Rtnl &guest = namespaces.rtnl(PairNetns::guest);
    std::optional<Link> there = guest.link(nic.name);
    if (there && same(*there)) return there;
    std::vector<Link> links = guest.links();
    auto at = std::ranges::find_if(links, same);
    return at == links.end() ? std::nullopt : std::optional(*at);
}

/// Where it is: moved, not yet moved, or fallen back when its namespace was destroyed, which only
/// hardware survives and only hardware can be known again by.
std::optional<Link> find_to_release(PairNamespaces &namespaces, const Pair &pair, hl_role role,
                                    const hl_saved &saved) {
    if (saved.valid != HL_SAVED_MOVED)
        return find_nic(namespaces.rtnl(PairNetns::guest), pair, role);
    if (namespaces.has(PairNetns::hidden))
        return find_nic(namespaces.rtnl(PairNetns::hidden), pair, role);
    bool hardware = id_of(pair.state(), role).bus[0];
    return hardware ? find_nic(namespaces.rtnl(PairNetns::guest), pair, role) : std::nullopt;
}

/// The device under the failover device's number. A stranger that took it is told by the kernel's
/// having forgotten the end that we know of: both ends go together.
std::optional<Link> find_master(Rtnl &guest, const Pair &pair) {
    std::optional<Link> link = guest.link(Ifindex{pair.state().failover.outer});
    bool our_kind = link && (link->kind == "veth" || link->kind == "netkit");
    if (pair.resolved(HL_PORT_MASTER)) return our_kind ? link : std::nullopt;
    bool in_sight = pair.layout().nics == PairNetns::guest; // and may have come back
    return our_kind && in_sight && link->mac == mac_of(pair.state().mac) ? link : std::nullopt;
}

} // namespace

Ifindex master_of(const hl_pair &state) {
    return Ifindex{state.failover.outer ? state.failover.outer : state.standby_id.ifindex};
}

Mac mac_of(const __u8 (&bytes)[6]) {
    Mac mac;
    std::memcpy(mac.bytes.data(), bytes, mac.bytes.size());
    return mac;
}

void describe_pair(Pair &pair, const Link &standby, const Selector &selector,
                   const Policy &policy) {
    hl_pair &state = pair.state();
    state.veto = HL_VETO(ABSENT);
    state.note[HL_VETO_BIT_ABSENT] = {static_cast<uint64_t>(now().count()), HL_ACTOR_OPERATOR, 0};
    write_rule(state, selector, policy);
    state.netns_cookie = netns_cookie();
    state.attached_ns = static_cast<uint64_t>(now().count());
    copy_mac(state.mac, standby.mac);
    describe_nic(state.standby_id, standby);
}

Selector selector_of(const hl_pair &state) {
    return {static_cast<hl_selector_kind>(state.selector), state.selector_arg};
}

Policy policy_of(const hl_pair &state) {
    using std::chrono::milliseconds;
    return {.hold_down = milliseconds(state.hold_down_ms),
            .probing = {.up_delay = milliseconds(state.up_delay_ms),
                        .interval = milliseconds(state.probe_interval_ms),
                        .rest = milliseconds(state.probe_rest_ms),
                        .timeout = milliseconds(state.proof_timeout_ms)},
            .reselect = static_cast<hl_reselect>(state.reselect),
            .announce = static_cast<hl_announce>(state.announce),
            .carrier = static_cast<hl_carrier>(state.carrier)};
}

void write_rule(hl_pair &state, const Selector &selector, const Policy &policy) {
    state.selector = static_cast<uint8_t>(selector.kind);
    copy_text(state.selector_arg, selector.arg);
    auto number_of = [](std::chrono::milliseconds ms) { return static_cast<uint32_t>(ms.count()); };
    state.hold_down_ms = number_of(policy.hold_down);
    state.up_delay_ms = number_of(policy.probing.up_delay);
    state.probe_interval_ms = number_of(policy.probing.interval);
    state.probe_rest_ms = number_of(policy.probing.rest);
    state.proof_timeout_ms = number_of(policy.probing.timeout);
    state.reselect = static_cast<uint8_t>(policy.reselect);
    state.announce = static_cast<uint8_t>(policy.announce);
    state.carrier = static_cast<uint8_t>(policy.carrier);
}

hl_saved &saved_of(hl_pair &state, hl_role role) {
    return role == HL_ROLE_PRIMARY ? state.primary_saved : state.standby_saved;
}

Instant install_nic(Pair &pair, PairNamespaces &namespaces, hl_role role, const Link &nic,
                    const Link &master) {
    Instant start = now();
    PairNetns where = pair.layout().nics;
    hl_identity &id = id_of(pair.state(), role);
    describe_nic(id, nic);
    save_settings(saved_of(pair.state(), role), nic);
    Link link = where == PairNetns::hidden ? move_in(namespaces, nic) : nic;
    if (where == PairNetns::hidden) saved_of(pair.state(), role).valid = HL_SAVED_MOVED;
    id.ifindex = number(link.index);
    Instant moved = now();
    namespaces.at(where, [&] {
        // Ours first: once the device is up, its frames belong to the master.
        pair.resolve(role, link.index);
        pair.attach(hook_of(role), link);
        prepare_nic(pair, namespaces, role, master, link);
    });
    return moved - start;
}

void retake_primary(Pair &pair, PairNamespaces &namespaces, const Link &primary,
                    const Link &master) {
    namespaces.at(pair.layout().nics, [&] {
        pair.resolve(HL_ROLE_PRIMARY, primary.index);
        if (!pair.attached(HL_HOOK_INGRESS_PRIMARY)) pair.attach(HL_HOOK_INGRESS_PRIMARY, primary);
        prepare_nic(pair, namespaces, HL_ROLE_PRIMARY, master, primary);
    });
}

void retake_standby(Pair &pair, PairNamespaces &namespaces, const Link &standby) {
    if (pair.resolved(HL_ROLE_STANDBY)) return;
    namespaces.at(pair.layout().nics, [&] { pair.resolve(HL_ROLE_STANDBY, standby.index); });
}

void retake_failover(Pair &pair, PairNamespaces &namespaces) {
    if (!pair.layout().has_failover) return;
    const hl_failover &ends = pair.state().failover;
    PairNetns nics = pair.layout().nics;
    bool joined = pair.state().datapath == HL_DATAPATH_XDP; // both ends are where the NICs are
    auto take = [&](hl_port port, uint32_t index) {
        if (pair.resolved(port) || !namespaces.rtnl(nics).link(Ifindex{index})) return;
        namespaces.at(nics, [&] { pair.resolve(port, Ifindex{index}); });
    };
    take(HL_PORT_MASTER, nics == PairNetns::guest ? ends.outer : ends.inner);
    if (joined) take(HL_PORT_INNER, ends.inner);
}

std::optional<Link> release_nic(Pair &pair, PairNamespaces &namespaces, hl_role role,
                                const Settings *settings) {
    hl_identity &id = id_of(pair.state(), role);
    hl_saved &saved = saved_of(pair.state(), role);
    std::optional<Link> nic = find_to_release(namespaces, pair, role, saved);
    pair.resolve(role, Ifindex::none);
    // It goes down on its way, so its frames are ours to the last.
    bool hidden = saved.valid == HL_SAVED_MOVED && namespaces.has(PairNetns::hidden);
    if (nic && hidden) nic = move_out(namespaces, *nic);
    id.ifindex = nic && role == HL_ROLE_STANDBY ? number(nic->index) : 0;
    if (nic && settings) settings->write_sysctls(nic->name);
    if (nic) restore_settings(saved, namespaces.rtnl(PairNetns::guest), id, *nic);
    saved = {};
    // Where the hook was made: its number may be a stranger's in the other namespace.
    namespaces.at(hidden ? PairNetns::hidden : PairNetns::guest, [&] {
        detach_nic_xdp(pair, role);
        pair.detach(hook_of(role));
    });
    return nic;
}

Members read_members(PairNamespaces &namespaces, const Pair &pair) {
    Members out;
    if (!namespaces.has(pair.layout().nics)) return out;
    Rtnl &nics = namespaces.rtnl(pair.layout().nics);
    out.standby = find_nic(nics, pair, HL_ROLE_STANDBY);
    out.primary = find_nic(nics, pair, HL_ROLE_PRIMARY);
    out.master = pair.layout().has_failover ? find_master(namespaces.rtnl(PairNetns::guest), pair)
                                            : out.standby;
    return out;
}

Candidates candidates(PairNamespaces &namespaces, const Pair &pair, const Members &members) {
    Candidates out{namespaces.rtnl(PairNetns::guest).links(), 0};
    std::erase_if(out.links, [&](const Link &link) {
        return pair.layout().has_failover && number(link.index) == pair.state().failover.outer;
    });
    learn_hardware(out.links);
    out.present = out.links.size();
    if (!members.primary) return out;
    if (pair.layout().nics == PairNetns::guest) {
        auto at = std::ranges::find(out.links, members.primary->index, &Link::index);
        out.present = static_cast<size_t>(at - out.links.begin());
        return out;
    }
    std::vector<Link> hidden{*members.primary};
    namespaces.at(PairNetns::hidden, [&] { learn_hardware(hidden); });
    out.links.push_back(hidden.front());
    return out;
}

Link seen_from_guest(const Pair &pair, const Link &standby) {
    Link out = standby;
    if (pair.layout().nics == PairNetns::hidden) out.index = Ifindex::none;
    return out;
}

std::optional<Link> find_nic(Rtnl &rtnl, const Pair &pair, hl_role role) {
    const hl_identity &id = id_of(pair.state(), role);
    if (!id.ifindex) return std::nullopt;
    std::optional<Link> link = rtnl.link(Ifindex{id.ifindex});
    // An ifindex may be given to another device; bus path and permanent address may not.
    if (!link || link->bus != id.bus || link->perm_mac != mac_of(id.perm_mac)) return std::nullopt;
    // A virtual device has neither. The kernel forgets one that goes; what comes after it under its
    // number is known by its address alone.
    bool hardware = id.bus[0] || !link->perm_mac.empty();
    if (hardware || pair.resolved(role)) return link;
    bool same = link->mac == mac_of(id.mac) || link->mac == mac_of(pair.state().mac);
    return same ? link : std::nullopt;
}

std::optional<Instant> apply_policy(Pair &pair, PairNamespaces &namespaces,
                                    PathMonitor &path_monitor, hl_actor actor) {
    hl_pair &state = pair.state();
    Members members = read_members(namespaces, pair);
    Observation seen;
    seen.present = members.primary.has_value();
    if (members.primary && members.standby && members.master) {
        const Link &primary = *members.primary, &master = *members.master;
        seen.usable = primary.usable();
        seen.configured = state.primary_saved.valid;
        seen.mtu_fits = primary.mtu >= master.mtu;
        seen.mac_matches = primary.mac == master.mac;
        copy_text(state.primary_id.ifname, primary.name);
        copy_text(state.standby_id.ifname, members.standby->name);
        path_monitor.observe(pair, namespaces, members, seen);
    } else {
        path_monitor.stop();
    }
    seen.veto = pair.view().veto();
    Verdict verdict = decide(policy_of(state), path_monitor.trust, seen, now());
    auto when = static_cast<uint64_t>(now().count());
    if (verdict.set) pair.view().set_veto(verdict.set, actor, when);
    if (verdict.clear) pair.view().clear_veto(verdict.clear, actor, when);
    if (verdict.set || verdict.clear) pair.ring_bell();
    return verdict.again;
}

} // namespace hitless
