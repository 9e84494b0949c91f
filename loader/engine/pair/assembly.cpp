// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/assembly.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/kernel/netlink/devices.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <linux/if_link.h>

namespace hitless {
namespace {

Link must_find(Rtnl &rtnl, Ifindex index) {
    std::optional<Link> link = rtnl.link(index);
    if (!link) throw Error(ENODEV, "find the failover device", "somebody removed it", "");
    return *link;
}

/// Its MAC and MTU are the standby's from the start; what it shall be otherwise is set while it is
/// down.
void prepare_master(Rtnl &rtnl, const Link &master, const Link &standby, const Settings &settings) {
    settings.give_sysctls(master.name);
    rtnl.change_addr_gen_mode(master, IN6_ADDR_GEN_MODE_NONE); // its own is given, too
    LinkChange change;
    if (master.mac != standby.mac) change.mac = standby.mac;
    if (master.mtu != standby.mtu) change.mtu = standby.mtu;
    change.tx_queue_len = standby.tx_queue_len;
    change.up = standby.up;
    rtnl.change(master.index, master.name, change);
}

void give_all(Rtnl &rtnl, const Settings &settings, const Link &to, uint8_t addr_gen_mode) {
    settings.give_addresses(rtnl, to.index);
    settings.give_routes(rtnl, to.index);
    if (addr_gen_mode != IN6_ADDR_GEN_MODE_NONE) rtnl.change_addr_gen_mode(to, addr_gen_mode);
}

void attach_inner(Pair &pair, Places &places) {
    Link inner = must_find(places.rtnl(Place::hidden), Ifindex{pair.state().failover.inner});
    places.at(Place::hidden, [&] { pair.attach(HL_HOOK_INNER, inner); });
}

void detach_inner(Pair &pair, Places &places) {
    if (places.has(Place::hidden)) places.at(Place::hidden, [&] { pair.detach(HL_HOOK_INNER); });
}

/// The failover device stands beside the standby: make before break.
void take_over_beside(Pair &pair, Places &places, const Link &standby) {
    Rtnl &rtnl = places.rtnl(Place::guest);
    Settings settings = Settings::read(rtnl, standby);
    pair.state().travelled = first_to_end(rtnl, standby);
    Ifindex outer = master_of(pair.state());
    prepare_master(rtnl, must_find(rtnl, outer), standby, settings);
    attach_inner(pair, places);
    pair.resolve(HL_ROLE_STANDBY, standby.index); // what leaves the device goes there
    pair.attach(HL_HOOK_EGRESS, must_find(rtnl, outer));
    give_all(rtnl, settings, must_find(rtnl, outer), standby.addr_gen_mode);
    install(pair, places, HL_ROLE_STANDBY, standby, must_find(rtnl, outer));
    settings.take_addresses(rtnl, standby.index);
    settings.give_routes(rtnl, outer); // those that older kernels took with the addresses
}

/// Settings of the failover device go to the standby, while both are there.
void give_back_beside(Pair &pair, Places &places, const Settings &settings) {
    Rtnl &rtnl = places.rtnl(Place::guest);
    if (std::optional<Link> standby = find(rtnl, pair, HL_ROLE_STANDBY)) {
        settings.give_addresses(rtnl, standby->index);
        settings.give_routes(rtnl, standby->index);
        settings.give_qdisc(rtnl, standby->index);
        settings.take_addresses(rtnl, master_of(pair.state()));
        settings.give_routes(rtnl, standby->index);
    }
    pair.detach(HL_HOOK_EGRESS);
    release(pair, places, HL_ROLE_PRIMARY);
    release(pair, places, HL_ROLE_STANDBY);
    detach_inner(pair, places);
}

/// The standby returns, and has what the failover device had.
void return_standby(Pair &pair, Places &places, const Settings &settings) {
    std::optional<Link> standby = release(pair, places, HL_ROLE_STANDBY, &settings);
    if (!standby) return;
    Rtnl &rtnl = places.rtnl(Place::guest);
    settings.give_addresses(rtnl, standby->index);
    settings.give_routes(rtnl, standby->index);
    settings.give_qdisc(rtnl, standby->index);
}

void give_back_from_afar(Pair &pair, Places &places, const Settings &settings) {
    detach_inner(pair, places);
    // Both ends go: name and number are the standby's own.
    if (places.has(Place::hidden))
        remove_device(places.rtnl(Place::hidden), Ifindex{pair.state().failover.inner});
    try { // the guest waits for this one; the other comes back whatever is refused here
        return_standby(pair, places, settings);
    } catch (const Error &) {
        release(pair, places, HL_ROLE_PRIMARY);
        throw;
    }
    release(pair, places, HL_ROLE_PRIMARY);
}

/// Under the standby's name and number, which it has left.
void take_name(Pair &pair, Places &places, const Link &standby, const Settings &settings) {
    move_device_to(places.rtnl(Place::hidden), waiting_device(places), places.fd(Place::guest),
                   standby.index, standby.name);
    pair.state().failover.outer = number(standby.index);
    settings.give_altnames(places.rtnl(Place::guest), standby.index);
}

/// The standby leaves the guest's namespace, and its settings with it.
void take_over_from_afar(Pair &pair, Places &places, const Link &standby) {
    Rtnl &rtnl = places.rtnl(Place::guest);
    bool takes_name = pair.layout().takes_name;
    Settings settings = Settings::read(rtnl, standby);
    pair.state().travelled = first_to_end(rtnl, standby);
    attach_inner(pair, places);
    try {
        install(pair, places, HL_ROLE_STANDBY, standby, standby);
        if (takes_name) take_name(pair, places, standby, settings);
        Link master = must_find(rtnl, master_of(pair.state()));
        prepare_master(rtnl, master, standby, settings);
        give_all(rtnl, settings, master, standby.addr_gen_mode);
        settings.give_qdisc(rtnl, master.index);
    } catch (const Error &) {
        give_back_from_afar(pair, places, settings); // which nobody else knows yet
        throw;
    }
}

} // namespace

void take_over(Pair &pair, Places &places, const Link &standby) {
    if (pair.layout().nics == Place::guest)
        take_over_beside(pair, places, standby);
    else
        take_over_from_afar(pair, places, standby);
}

void take_off(Pair &pair, Places &places) {
    if (!has_ground(pair)) {
        pair.detach(HL_HOOK_EGRESS);
        release(pair, places, HL_ROLE_PRIMARY);
        decelerate(pair, HL_ROLE_STANDBY);
        pair.detach(HL_HOOK_INGRESS_STANDBY);
        part_failover(pair, places.rtnl(Place::guest));
        return;
    }
    Settings settings;
    if (std::optional<Link> master = look(places, pair).master) {
        settings = Settings::read(places.rtnl(Place::guest), *master);
        pair.state().standby_saved.up = master->up; // as it is now, like all that travels
    }
    if (pair.layout().nics == Place::guest)
        give_back_beside(pair, places, settings);
    else
        give_back_from_afar(pair, places, settings);
    remove_ground(places, pair.state().failover.netns);
}

} // namespace hitless
