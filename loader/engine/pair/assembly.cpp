// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/assembly.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/engine/pair/nics.hpp"
#include "loader/kernel/netlink/devices.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <linux/if_link.h>

namespace hitless {
namespace {

/// Its MAC and MTU are the standby's from the start; what it shall be otherwise is set while it is
/// down.
void prepare_master(Rtnl &rtnl, const Link &master, const Link &standby, const Settings &settings) {
    settings.write_sysctls(master.name);
    rtnl.change_addr_gen_mode(master, IN6_ADDR_GEN_MODE_NONE); // its own is given, too
    LinkChange change;
    if (master.mac != standby.mac) change.mac = standby.mac;
    if (master.mtu != standby.mtu) change.mtu = standby.mtu;
    change.tx_queue_len = standby.tx_queue_len;
    change.up = standby.up;
    rtnl.change(master.index, master.name, change);
    settings.give_link_settings(rtnl, master.index);
}

void add_all(Rtnl &rtnl, const Settings &settings, const Link &to, uint8_t addr_gen_mode) {
    settings.add_addresses(rtnl, to.index);
    settings.add_routes(rtnl, to.index);
    if (addr_gen_mode != IN6_ADDR_GEN_MODE_NONE) rtnl.change_addr_gen_mode(to, addr_gen_mode);
    settings.write_ipv6_mtu(rtnl, to);
}

/// Why the kernel refused what a step gives; empty: it did not.
template <typename Step>
std::string refusal_of(Step step) {
    try {
        step();
        return "";
    } catch (const Error &error) {
        return error.what();
    }
}

/// Gives a device back what the kernel accepts. Returns the first refusal and its cause; empty:
/// none.
std::string give_back(Rtnl &rtnl, const Settings &settings, const Link &to) {
    std::string addresses = refusal_of([&] { settings.add_addresses(rtnl, to.index); });
    std::string routes = refusal_of([&] { settings.add_routes(rtnl, to.index); });
    settings.add_qdisc(rtnl, to.index);
    settings.give_link_settings(rtnl, to.index);
    settings.write_ipv6_mtu(rtnl, to);
    return addresses.empty() ? routes : addresses;
}

void attach_inner(Pair &pair, PairNamespaces &namespaces) {
    Link inner =
        must_find(namespaces.rtnl(PairNetns::hidden), Ifindex{pair.state().failover.inner});
    namespaces.at(PairNetns::hidden, [&] { pair.attach(HL_HOOK_INNER, inner); });
}

void detach_inner(Pair &pair, PairNamespaces &namespaces) {
    if (namespaces.has(PairNetns::hidden))
        namespaces.at(PairNetns::hidden, [&] { pair.detach(HL_HOOK_INNER); });
}

/// The failover device stands beside the standby: make before break.
void install_beside(Pair &pair, PairNamespaces &namespaces, const Link &standby) {
    Rtnl &rtnl = namespaces.rtnl(PairNetns::guest);
    Settings settings = Settings::read(rtnl, standby);
    pair.state().travelled = first_to_end(rtnl, standby);
    Ifindex outer = master_of(pair.state());
    prepare_master(rtnl, must_find(rtnl, outer), standby, settings);
    attach_inner(pair, namespaces);
    pair.resolve(HL_ROLE_STANDBY, standby.index); // what leaves the device goes there
    pair.attach(HL_HOOK_EGRESS, must_find(rtnl, outer));
    add_all(rtnl, settings, must_find(rtnl, outer), standby.addr_gen_mode);
    install_nic(pair, namespaces, HL_ROLE_STANDBY, standby, must_find(rtnl, outer));
    settings.remove_addresses(rtnl, standby.index);
    settings.add_routes(rtnl, outer); // those that older kernels took with the addresses
}

/// Settings of the failover device go to the standby, while both are there. It sends nothing any
/// more when it has no routes, and keeps its addresses as long as frames come in by it: with
/// rp_filter on, the kernel drops what comes in by a device that has none (last_resort of
/// __fib_validate_source() in net/ipv4/fib_frontend.c).
std::string restore_beside(Pair &pair, PairNamespaces &namespaces, const Settings &settings) {
    Rtnl &rtnl = namespaces.rtnl(PairNetns::guest);
    std::optional<Link> standby = find_nic(rtnl, pair, HL_ROLE_STANDBY);
    Ifindex master = master_of(pair.state());
    std::string refused;
    if (standby) {
        refused = give_back(rtnl, settings, *standby);
        settings.remove_routes(rtnl, master);
    }
    pair.detach(HL_HOOK_EGRESS);
    release_nic(pair, namespaces, HL_ROLE_PRIMARY);
    release_nic(pair, namespaces, HL_ROLE_STANDBY);
    detach_inner(pair, namespaces);
    if (!standby) return refused;
    settings.remove_addresses(rtnl, master);
    // Those that older kernels took with the addresses.
    std::string routes = refusal_of([&] { settings.add_routes(rtnl, standby->index); });
    return refused.empty() ? routes : refused;
}

/// The standby returns, and has what the failover device had.
std::string return_standby(Pair &pair, PairNamespaces &namespaces, const Settings &settings) {
    std::optional<Link> standby = release_nic(pair, namespaces, HL_ROLE_STANDBY, &settings);
    return standby ? give_back(namespaces.rtnl(PairNetns::guest), settings, *standby) : "";
}

std::string restore_apart(Pair &pair, PairNamespaces &namespaces, const Settings &settings) {
    detach_inner(pair, namespaces);
    settings.leave_groups(namespaces.rtnl(PairNetns::guest), master_of(pair.state()));
    // Both ends go: name and number are the standby's own.
    if (namespaces.has(PairNetns::hidden))
        remove_device(namespaces.rtnl(PairNetns::hidden), Ifindex{pair.state().failover.inner});
    std::string refused;
    try { // the guest waits for this one; the other comes back whatever is refused here
        refused = return_standby(pair, namespaces, settings);
    } catch (const Error &) {
        release_nic(pair, namespaces, HL_ROLE_PRIMARY);
        throw;
    }
    release_nic(pair, namespaces, HL_ROLE_PRIMARY);
    return refused;
}

/// Under the standby's name and number, which it has left.
void take_name(Pair &pair, PairNamespaces &namespaces, const Link &standby,
               const Settings &settings) {
    move_device_to(namespaces.rtnl(PairNetns::hidden), waiting_device(namespaces),
                   namespaces.fd(PairNetns::guest), standby.index, standby.name);
    pair.state().failover.outer = number(standby.index);
    settings.add_altnames(namespaces.rtnl(PairNetns::guest), standby.index);
}

/// The standby leaves the guest's namespace, and its settings with it.
void install_apart(Pair &pair, PairNamespaces &namespaces, const Link &standby) {
    Rtnl &rtnl = namespaces.rtnl(PairNetns::guest);
    bool takes_name = pair.model().takes_name;
    Settings settings = Settings::read(rtnl, standby);
    pair.state().travelled = first_to_end(rtnl, standby);
    attach_inner(pair, namespaces);
    try {
        settings.leave_groups(rtnl, standby.index);
        install_nic(pair, namespaces, HL_ROLE_STANDBY, standby, standby);
        if (takes_name) take_name(pair, namespaces, standby, settings);
        Link master = must_find(rtnl, master_of(pair.state()));
        prepare_master(rtnl, master, standby, settings);
        add_all(rtnl, settings, master, standby.addr_gen_mode);
        settings.add_qdisc(rtnl, master.index);
    } catch (const Error &) {
        restore_apart(pair, namespaces, settings); // which nobody else knows yet
        throw;
    }
}

} // namespace

void install_failover_device(Pair &pair, PairNamespaces &namespaces, const Link &standby) {
    if (pair.model().nics == PairNetns::guest)
        install_beside(pair, namespaces, standby);
    else
        install_apart(pair, namespaces, standby);
}

std::string disassemble(Pair &pair, PairNamespaces &namespaces) {
    if (!has_private_netns(pair)) {
        pair.detach(HL_HOOK_EGRESS);
        release_nic(pair, namespaces, HL_ROLE_PRIMARY);
        detach_nic_xdp(pair, HL_ROLE_STANDBY);
        pair.detach(HL_HOOK_INGRESS_STANDBY);
        detach_failover_device(pair, namespaces.rtnl(PairNetns::guest));
        return "";
    }
    Settings settings;
    if (std::optional<Link> master = read_members(namespaces, pair).master) {
        settings = Settings::read(namespaces.rtnl(PairNetns::guest), *master);
        pair.state().standby_saved.up = master->up; // as it is now, like all that travels
    }
    std::string refused = pair.model().nics == PairNetns::guest
                              ? restore_beside(pair, namespaces, settings)
                              : restore_apart(pair, namespaces, settings);
    remove_private_netns(namespaces, pair.state().failover.netns);
    return refused;
}

} // namespace hitless
