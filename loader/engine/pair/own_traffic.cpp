// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/own_traffic.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/pair/uppers.hpp"
#include "loader/kernel/netlink/ip_config.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

using Problems = std::vector<Problem>;

std::string shortened(const std::vector<std::string> &all) {
    constexpr size_t most = 4;
    std::vector<std::string> some(all.begin(),
                                  all.begin() + static_cast<long>(std::min(most, all.size())));
    return fmt::format("{}{}", fmt::join(some, ", "), all.size() > most ? ", ..." : "");
}

} // namespace

std::vector<Problem> find_own_traffic(Rtnl &rtnl, const Link &nic) {
    Problems out;
    IpConfig config = ip_config(nic);
    if (!config.addresses.empty())
        out.push_back(
            {fmt::format("{} has addresses of its own ({}): what is sent from them is not "
                         "answered",
                         nic.name, shortened(config.addresses)),
             fmt::format("ip addr flush dev {}", shell_quoted(nic.name))});
    for (const IpRoute &route : config.routes) // those of an address go with it
        if (config.addresses.empty())
            out.push_back({fmt::format("the route to {} leads by {}, which receives nothing itself",
                                       route.to, nic.name),
                           route.remove});
    if (config.rules)
        out.push_back({fmt::format("policy rules name {}, which receives nothing itself", nic.name),
                       "ip rule; ip -6 rule"});
    for (const Link &link : rtnl.links())
        if (stands_on(link, nic.index))
            out.push_back(
                {fmt::format("{} stands on {}, which receives nothing itself", link.name, nic.name),
                 fmt::format("ip link del {}", shell_quoted(link.name))});
    if (nic.master != Ifindex::none)
        out.push_back({fmt::format("{} belongs to {}, which receives nothing by it", nic.name,
                                   describe_master(nic)),
                       leave_master(nic)});
    return out;
}

void check_own_traffic(Rtnl &rtnl, const Link &standby, const Link &nic) {
    Problems found = find_own_traffic(rtnl, nic);
    if (found.empty()) return;
    throw Error(EBUSY, fmt::format("pair {} with {}", standby.name, nic.name), found.front().what,
                fmt::format("the guest's addresses belong on the pair's own device; {}",
                            found.front().remedy));
}

} // namespace hitless
