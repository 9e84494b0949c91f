// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/bypass.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/bpf/tap_programs.hpp"
#include "loader/kernel/netlink/bridge.hpp"
#include "loader/kernel/netlink/nft_rules.hpp"
#include "loader/kernel/netlink/qdisc.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

/// Programs and filters of others. Ours are told by the daemon's pins; those of a pair by their
/// names, where the kernel says them.
std::vector<OtherProgram> filters_at(const Link &link, Direction direction) {
    const std::string pins = StateDir().path(StateDir::host_name(netns_cookie()));
    const std::vector<uint32_t> own = pinned_programs(pins, link.index);
    std::vector<OtherProgram> out = programs_at(number(link.index), direction);
    std::erase_if(out, [&](const OtherProgram &p) {
        return p.name.starts_with("hl_") || std::ranges::count(own, p.id);
    });
    return out;
}

std::string untagged(std::optional<uint16_t> vlan) {
    return vlan ? fmt::format("in VLAN {}", *vlan) : "in none";
}

} // namespace

namespace {

/// What one of its ports does to a guest's frames, each sort in words that name it; "" where it
/// does nothing of the sort.
std::vector<std::string> done_at(Rtnl &rtnl, const Link &port) {
    std::vector<std::string> out;
    for (Direction direction : {Direction::ingress, Direction::egress}) {
        std::vector<OtherProgram> here = filters_at(port, direction);
        out.push_back(here.empty()
                          ? ""
                          : fmt::format("{} on its {}", here.front().text(),
                                        direction == Direction::ingress ? "ingress" : "egress"));
    }
    std::string kind = shaping_qdisc(rtnl, port.index);
    out.push_back(kind.empty() ? "" : "qdisc " + kind);
    out.emplace_back(nftables_name(port.name) ? "rules of nftables" : "");
    const PortFlags flags = port_flags(rtnl, port.index);
    out.emplace_back(flags.isolated ? "its port is isolated" : "");
    out.emplace_back(flags.locked ? "its port is locked" : "");
    out.emplace_back(flags.neigh_suppress ? "its port is neigh_suppress" : "");
    return out;
}

void compare_vlans(Rtnl &rtnl, const Link &tap, std::optional<uint16_t> other,
                   std::vector<std::string> &out) {
    std::optional<uint16_t> vlan = port_pvid(rtnl, tap.index);
    if (vlan != other)
        out.push_back(
            fmt::format("frames without a tag are {}, not {}", untagged(vlan), untagged(other)));
}

} // namespace

std::vector<std::string> bypassed_by(Rtnl &rtnl, const Link &tap, const Link &primary) {
    std::vector<std::string> out = done_at(rtnl, tap), there = done_at(rtnl, primary);
    for (size_t sort = 0; sort < out.size(); sort++)
        if (!there[sort].empty()) out[sort].clear();
    std::erase(out, "");
    if (vlan_filtering(rtnl, tap.master))
        compare_vlans(rtnl, tap, port_pvid(rtnl, primary.index), out);
    return out;
}

std::vector<std::string> bypassed_by_vf(Rtnl &rtnl, const Link &tap, const Link &pf,
                                        uint16_t vlan) {
    std::vector<std::string> out = done_at(rtnl, tap);
    std::erase(out, "");
    const bool filtering = vlan_filtering(rtnl, tap.master);
    if (filtering)
        compare_vlans(rtnl, tap, vlan ? std::optional(vlan) : port_pvid(rtnl, pf.index), out);
    else if (vlan)
        out.push_back(fmt::format("its bridge knows no VLANs, and the VF is in VLAN {}", vlan));
    return out;
}

} // namespace hitless
