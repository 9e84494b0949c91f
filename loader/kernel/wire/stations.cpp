// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/stations.hpp"
#include "loader/kernel/netlink/bridge.hpp"

#include <algorithm>

namespace hitless {
namespace {

constexpr size_t most_stations = 16;
constexpr size_t most_nested = 64; // virtual machines of one machine; each costs a frame a flip

/// What is sent from `upper` leaves by `lower`.
bool stands_on(const Link &upper, const Link &lower) {
    if (upper.kind == "vlan" || upper.kind == "macvlan") return upper.lower == lower.index;
    return upper.kind == "bridge" && lower.master == upper.index;
}

} // namespace

Stations stations(const std::vector<Link> &links, Ifindex master, const Mac &mac) {
    Stations out{{{master, mac, {}}}, {}};
    for (size_t i = 0; i < out.own.size(); i++) { // which grows meanwhile
        const Station below = out.own[i];
        auto lower = std::ranges::find(links, below.index, &Link::index);
        if (lower == links.end()) continue;
        for (const Link &link : links) {
            bool known = std::ranges::find(out.own, link.index, &Station::index) != out.own.end();
            if (link.index == below.index || !stands_on(link, *lower)) continue;
            if (known || !link.usable() || out.own.size() == most_stations) continue;
            out.own.push_back({link.index, link.mac, below.tags});
            if (link.vlan.id) out.own.back().tags.push_back(link.vlan);
            if (link.kind != "bridge") continue;
            for (const Link &port : links)
                if (port.master == link.index && port.index != below.index)
                    out.ports.push_back({port.index, below.index});
        }
    }
    return out;
}

std::vector<Station> nested_stations(Rtnl &rtnl, const std::vector<InnerPort> &ports) {
    std::vector<Station> out;
    for (const InnerPort &inner : ports)
        for (const FdbEntry &entry : fdb_entries(rtnl, inner.port)) {
            bool known = std::ranges::find(out, entry.mac, &Station::mac) != out.end();
            if (!known && out.size() < most_nested) out.push_back({inner.way_out, entry.mac, {}});
        }
    return out;
}

} // namespace hitless
