// SPDX-License-Identifier: BSD-2-Clause
//
// What a user has told a device: addresses, routes, neighbours, sysctls, its queueing discipline,
// its other names and its alias. Read from one device, given to another, as the kernel's own
// messages with another device number, so nothing is lost in translation: labels, lifetimes,
// metrics, sources, protocols.
//
//   Settings settings = Settings::read(rtnl, eth0);   // the caller is in eth0's namespace
//   settings.add_addresses(rtnl, failover0);
//   settings.add_routes(rtnl, failover0);
#pragma once

#include "loader/kernel/netlink/device_sysctls.hpp"
#include "loader/kernel/netlink/link_settings.hpp"
#include "loader/kernel/netlink/routes.hpp"

#include <string>
#include <vector>

namespace hitless {

class Settings {
  public:
    static Settings read(Rtnl &, const Link &);

    /// Before the device is up: what it does by itself then.
    void write_sysctls(const std::string &ifname) const { sysctls_.write(ifname); }
    /// An MTU of IPv6 that is not the device's. Where there is one, waits a moment until IPv6 has
    /// begun on the device, if that is up: the kernel would set it back then.
    void write_ipv6_mtu(Rtnl &, const Link &to) const;
    /// Its alias and the sizes of GSO and GRO.
    void give_link_settings(Rtnl &rtnl, Ifindex to) const { link_.give(rtnl, to); }
    /// Addresses without duplicate detection, and neighbours: it is the same guest. Those that it
    /// has already stay. All that can be given are given, then it throws the first Error, which
    /// names the address.
    void add_addresses(Rtnl &, Ifindex to) const;
    /// Beside those of other devices, also of equal ones: the old device keeps its own.
    void add_routes(Rtnl &, Ifindex to) const;
    /// Other names of the device. They must be free.
    void add_altnames(Rtnl &, Ifindex to) const;
    /// Quiet when the device cannot have it (several queues).
    void add_qdisc(Rtnl &, Ifindex to) const;

    /// Takes the routes by a device away, so that other devices' are used; it keeps its addresses.
    void remove_routes(Rtnl &, Ifindex from) const;
    /// Takes the addresses away from a device that has them, the routes by it, and its proxy
    /// neighbours.
    void remove_addresses(Rtnl &, Ifindex from) const;

    /// Takes multicast addresses (`autojoin`) away from a device that will leave or be removed: the
    /// kernel would stay in their groups there, and refuse them under the same number.
    void leave_groups(Rtnl &, Ifindex from) const;

    bool empty() const { return addresses_.empty() && routes_.empty(); }

  private:
    using Message = std::vector<char>;
    std::string ifname_; ///< of the device they were read from
    std::vector<Message> addresses_, neighbours_, proxies_, qdiscs_;
    Routes routes_;
    std::vector<std::string> altnames_;
    LinkSettings link_;
    DeviceSysctls sysctls_;
};

} // namespace hitless
