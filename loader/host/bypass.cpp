// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/bypass.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "loader/kernel/netlink/nft_rules.hpp"
#include "loader/kernel/netlink/qdisc.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

namespace hitless {
namespace {

/// Programs and filters of others.
std::vector<OtherProgram> filters_at(const Link &link, Direction direction) {
    std::vector<OtherProgram> out = programs_at(number(link.index), direction);
    std::erase_if(out, [](const OtherProgram &p) { return p.name.starts_with("hl_"); });
    return out;
}

std::string untagged(std::optional<uint16_t> vlan) {
    return vlan ? fmt::format("in VLAN {}", *vlan) : "in none";
}

} // namespace

std::vector<std::string> bypassed_by(Rtnl &rtnl, const Link &tap, const Link &primary) {
    std::vector<std::string> out;
    auto add = [&](const std::string &text) { out.push_back(text); };
    for (Direction direction : {Direction::ingress, Direction::egress}) {
        std::vector<OtherProgram> here = filters_at(tap, direction);
        if (!here.empty() && filters_at(primary, direction).empty())
            add(fmt::format("{} on its {}", here.front().text(),
                            direction == Direction::ingress ? "ingress" : "egress"));
    }
    if (std::string kind = shaping_qdisc(rtnl, tap.index);
        !kind.empty() && shaping_qdisc(rtnl, primary.index).empty())
        add("qdisc " + kind);
    if (nftables_name(tap.name) && !nftables_name(primary.name)) add("rules of nftables");
    const PortFlags here = port_flags(rtnl, tap.index), there = port_flags(rtnl, primary.index);
    for (const auto &[name, on, as_well] :
         {std::tuple{"isolated", here.isolated, there.isolated},
          {"locked", here.locked, there.locked},
          {"neigh_suppress", here.neigh_suppress, there.neigh_suppress}})
        if (on && !as_well) add(fmt::format("its port is {}", name));
    if (!vlan_filtering(rtnl, tap.master)) return out;
    std::optional<uint16_t> vlan = port_pvid(rtnl, tap.index),
                            other = port_pvid(rtnl, primary.index);
    if (vlan != other)
        add(fmt::format("frames without a tag are {}, not {}", untagged(vlan), untagged(other)));
    return out;
}

} // namespace hitless
