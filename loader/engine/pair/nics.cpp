// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/nics.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/kernel/netlink/devices.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

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

} // namespace

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

Instant install_nic(Pair &pair, PairNamespaces &namespaces, hl_role role, const Link &nic,
                    const Link &master) {
    Instant start = now();
    PairNetns where = pair.model().nics;
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
    namespaces.at(pair.model().nics, [&] {
        pair.resolve(HL_ROLE_PRIMARY, primary.index);
        if (!pair.attached(HL_HOOK_INGRESS_PRIMARY)) pair.attach(HL_HOOK_INGRESS_PRIMARY, primary);
        prepare_nic(pair, namespaces, HL_ROLE_PRIMARY, master, primary);
    });
}

void retake_standby(Pair &pair, PairNamespaces &namespaces, const Link &standby) {
    if (pair.resolved(HL_ROLE_STANDBY)) return;
    namespaces.at(pair.model().nics, [&] { pair.resolve(HL_ROLE_STANDBY, standby.index); });
}

void retake_failover(Pair &pair, PairNamespaces &namespaces) {
    if (!pair.model().has_failover) return;
    const hl_failover &ends = pair.state().failover;
    PairNetns nics = pair.model().nics;
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
    // Where the hook was made: its number may be another device's in the other namespace.
    namespaces.at(hidden ? PairNetns::hidden : PairNetns::guest, [&] {
        detach_nic_xdp(pair, role);
        pair.detach(hook_of(role));
    });
    return nic;
}

} // namespace hitless
