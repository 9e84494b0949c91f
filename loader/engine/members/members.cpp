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

hl_hook_place hook_of(hl_role role) {
    return role == HL_ROLE_PRIMARY ? HL_HOOK_INGRESS_PRIMARY : HL_HOOK_INGRESS_STANDBY;
}

/// Into the private namespace, under the same number where that is free. Its name may be another's
/// there, and somebody may have renamed it since it was looked at: it is the one that is new.
Link move_in(Places &places, const Link &nic) {
    Rtnl &hidden = places.rtnl(Place::hidden);
    const std::vector<Link> before = hidden.links();
    move_device(places.rtnl(Place::guest), nic, places.fd(Place::hidden), nic.index);
    for (const Link &link : hidden.links())
        if (!std::ranges::count(before, link.index, &Link::index)) return link;
    throw Error(ENODEV, fmt::format("find {} after it moved", nic.name));
}

/// Back to the guest. It may have another name and number there, if its own are taken.
std::optional<Link> move_out(Places &places, const Link &nic) {
    move_device(places.rtnl(Place::hidden), nic, places.fd(Place::guest), nic.index);
    auto same = [&](const Link &link) {
        return link.mac == nic.mac && link.bus == nic.bus && link.kind == nic.kind;
    };
    Rtnl &guest = places.rtnl(Place::guest);
    std::optional<Link> there = guest.link(nic.name);
    if (there && same(*there)) return there;
    std::vector<Link> links = guest.links();
    auto at = std::ranges::find_if(links, same);
    return at == links.end() ? std::nullopt : std::optional(*at);
}

/// Where it is: moved, not yet moved, or fallen back when its namespace was destroyed, which only
/// hardware survives and only hardware can be known again by.
std::optional<Link> find_to_release(Places &places, const Pair &pair, hl_role role,
                                    const hl_saved &saved) {
    if (saved.valid != HL_SAVED_MOVED) return find(places.rtnl(Place::guest), pair, role);
    if (places.has(Place::hidden)) return find(places.rtnl(Place::hidden), pair, role);
    bool hardware = id_of(pair.state(), role).bus[0];
    return hardware ? find(places.rtnl(Place::guest), pair, role) : std::nullopt;
}

/// The device under the failover device's number. A stranger that took it is told by the kernel's
/// having forgotten the end that we know of: both ends go together.
std::optional<Link> find_master(Rtnl &guest, const Pair &pair) {
    std::optional<Link> link = guest.link(Ifindex{pair.state().failover.outer});
    bool our_kind = link && (link->kind == "veth" || link->kind == "netkit");
    if (pair.resolved(HL_PORT_MASTER)) return our_kind ? link : std::nullopt;
    bool in_sight = pair.layout().nics == Place::guest; // and may have come back
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
    adopt_rule(state, selector, policy);
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

void adopt_rule(hl_pair &state, const Selector &selector, const Policy &policy) {
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

Instant install(Pair &pair, Places &places, hl_role role, const Link &nic, const Link &master) {
    Instant start = now();
    Place where = pair.layout().nics;
    hl_identity &id = id_of(pair.state(), role);
    describe_nic(id, nic);
    save_settings(saved_of(pair.state(), role), nic);
    Link link = where == Place::hidden ? move_in(places, nic) : nic;
    if (where == Place::hidden) saved_of(pair.state(), role).valid = HL_SAVED_MOVED;
    id.ifindex = number(link.index);
    Instant moved = now();
    places.at(where, [&] {
        // Ours first: once the device is up, its frames belong to the master.
        pair.resolve(role, link.index);
        pair.attach(hook_of(role), link);
        prepare_nic(pair, places, role, master, link);
    });
    return moved - start;
}

void retake_primary(Pair &pair, Places &places, const Link &primary, const Link &master) {
    places.at(pair.layout().nics, [&] {
        pair.resolve(HL_ROLE_PRIMARY, primary.index);
        if (!pair.attached(HL_HOOK_INGRESS_PRIMARY)) pair.attach(HL_HOOK_INGRESS_PRIMARY, primary);
        prepare_nic(pair, places, HL_ROLE_PRIMARY, master, primary);
    });
}

void retake_standby(Pair &pair, Places &places, const Link &standby) {
    if (pair.resolved(HL_ROLE_STANDBY)) return;
    places.at(pair.layout().nics, [&] { pair.resolve(HL_ROLE_STANDBY, standby.index); });
}

void retake_failover(Pair &pair, Places &places) {
    if (!pair.layout().has_failover) return;
    const hl_failover &ends = pair.state().failover;
    Place nics = pair.layout().nics;
    bool joined = pair.state().datapath == HL_DATAPATH_XDP; // both ends are where the NICs are
    auto take = [&](hl_port port, uint32_t index) {
        if (pair.resolved(port) || !places.rtnl(nics).link(Ifindex{index})) return;
        places.at(nics, [&] { pair.resolve(port, Ifindex{index}); });
    };
    take(HL_PORT_MASTER, nics == Place::guest ? ends.outer : ends.inner);
    if (joined) take(HL_PORT_INNER, ends.inner);
}

std::optional<Link> release(Pair &pair, Places &places, hl_role role, const Settings *settings) {
    hl_identity &id = id_of(pair.state(), role);
    hl_saved &saved = saved_of(pair.state(), role);
    std::optional<Link> nic = find_to_release(places, pair, role, saved);
    pair.resolve(role, Ifindex::none);
    // It goes down on its way, so its frames are ours to the last.
    bool hidden = saved.valid == HL_SAVED_MOVED && places.has(Place::hidden);
    if (nic && hidden) nic = move_out(places, *nic);
    id.ifindex = nic && role == HL_ROLE_STANDBY ? number(nic->index) : 0;
    if (nic && settings) settings->give_sysctls(nic->name);
    if (nic) give_settings_back(saved, places.rtnl(Place::guest), id, *nic);
    saved = {};
    // Where the hook was made: its number may be a stranger's in the other namespace.
    places.at(hidden ? Place::hidden : Place::guest, [&] {
        decelerate(pair, role);
        pair.detach(hook_of(role));
    });
    return nic;
}

Members look(Places &places, const Pair &pair) {
    Members out;
    if (!places.has(pair.layout().nics)) return out;
    Rtnl &nics = places.rtnl(pair.layout().nics);
    out.standby = find(nics, pair, HL_ROLE_STANDBY);
    out.primary = find(nics, pair, HL_ROLE_PRIMARY);
    out.master =
        pair.layout().has_failover ? find_master(places.rtnl(Place::guest), pair) : out.standby;
    return out;
}

Candidates candidates(Places &places, const Pair &pair, const Members &members) {
    Candidates out{places.rtnl(Place::guest).links(), 0};
    std::erase_if(out.links, [&](const Link &link) {
        return pair.layout().has_failover && number(link.index) == pair.state().failover.outer;
    });
    learn_hardware(out.links);
    out.present = out.links.size();
    if (!members.primary) return out;
    if (pair.layout().nics == Place::guest) {
        auto at = std::ranges::find(out.links, members.primary->index, &Link::index);
        out.present = static_cast<size_t>(at - out.links.begin());
        return out;
    }
    std::vector<Link> hidden{*members.primary};
    places.at(Place::hidden, [&] { learn_hardware(hidden); });
    out.links.push_back(hidden.front());
    return out;
}

Link seen_from_guest(const Pair &pair, const Link &standby) {
    Link out = standby;
    if (pair.layout().nics == Place::hidden) out.index = Ifindex::none;
    return out;
}

std::optional<Link> find(Rtnl &rtnl, const Pair &pair, hl_role role) {
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

std::optional<Instant> settle(Pair &pair, Places &places, Vigil &vigil, hl_actor actor) {
    hl_pair &state = pair.state();
    Members members = look(places, pair);
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
        vigil.observe(pair, places, members, seen);
    } else {
        vigil.rest();
    }
    seen.veto = pair.view().veto();
    Verdict verdict = decide(policy_of(state), vigil.trust, seen, now());
    auto when = static_cast<uint64_t>(now().count());
    if (verdict.set) pair.view().set_veto(verdict.set, actor, when);
    if (verdict.clear) pair.view().clear_veto(verdict.clear, actor, when);
    if (verdict.set || verdict.clear) pair.ring_bell();
    return verdict.again;
}

} // namespace hitless
