// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members/members.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

/// The device under the failover device's number. Another device that took it is told by the
/// kernel's having forgotten the end that we know of: both ends go together.
std::optional<Link> find_master(Rtnl &guest, const Pair &pair) {
    std::optional<Link> link = guest.link(Ifindex{pair.state().failover.outer});
    bool our_kind = link && (link->kind == "veth" || link->kind == "netkit");
    if (pair.resolved(HL_PORT_MASTER)) return our_kind ? link : std::nullopt;
    bool in_sight = pair.model().nics == PairNetns::guest; // and may have come back
    return our_kind && in_sight && link->mac == mac_of(pair.state().mac) ? link : std::nullopt;
}

} // namespace

Members read_members(PairNamespaces &namespaces, const Pair &pair) {
    Members out;
    if (!namespaces.has(pair.model().nics)) return out;
    Rtnl &nics = namespaces.rtnl(pair.model().nics);
    out.standby = find_nic(nics, pair, HL_ROLE_STANDBY);
    out.primary = find_nic(nics, pair, HL_ROLE_PRIMARY);
    out.master = pair.model().has_failover ? find_master(namespaces.rtnl(PairNetns::guest), pair)
                                           : out.standby;
    return out;
}

Candidates candidates(PairNamespaces &namespaces, const Pair &pair, const Members &members) {
    Candidates out{namespaces.rtnl(PairNetns::guest).links(), 0};
    std::erase_if(out.links, [&](const Link &link) {
        return pair.model().has_failover && number(link.index) == pair.state().failover.outer;
    });
    learn_hardware(out.links);
    out.present = out.links.size();
    if (!members.primary) return out;
    if (pair.model().nics == PairNetns::guest) {
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
    if (pair.model().nics == PairNetns::hidden) out.index = Ifindex::none;
    return out;
}

Link must_find(Rtnl &rtnl, Ifindex index) {
    std::optional<Link> link = rtnl.link(index);
    if (!link)
        throw Error(ENODEV, fmt::format("find device {}", number(index)), "somebody removed it",
                    "attach again");
    return *link;
}

Link must_find(Rtnl &rtnl, const std::string &name) {
    std::optional<Link> link = rtnl.link(name);
    if (!link)
        throw Error(ENODEV, fmt::format("find {}", name), "somebody removed it", "attach again");
    return *link;
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

} // namespace hitless
