// SPDX-License-Identifier: BSD-2-Clause
//
// What of IP stands on a device: addresses, routes and policy rules, as `ip` shows them. What every
// device has by itself (link-local addresses, multicast routes, the local table) is left out.
//
//   if (!ip_config(rtnl, eth1).empty()) ...   // the caller is in eth1's namespace
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <string>
#include <vector>

namespace hitless {

struct IpRoute {
    std::string to;     ///< "192.0.2.0/24", "default table 100"
    std::string remove; ///< the command
};

struct IpConfig {
    std::vector<std::string> addresses; ///< "192.0.2.2/24"
    std::vector<IpRoute> routes;
    unsigned rules = 0; ///< that name the device
    bool empty() const { return addresses.empty() && routes.empty() && rules == 0; }
};

/// Policy rules that name a device, be it here or not. Throws.
unsigned policy_rules(const std::string &ifname);

/// The kernel picks the device's routes out itself, so a full routing table costs little. Throws.
IpConfig ip_config(const Link &);

} // namespace hitless
