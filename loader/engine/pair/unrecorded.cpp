// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/unrecorded.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/pair/failover_device.hpp"
#include "loader/engine/pair/nics.hpp"
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/kernel/bpf/xdp.hpp"
#include "loader/kernel/netlink/devices.hpp"
#include "loader/kernel/netlink/settings.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

/// The number that the standby had: hitless-COOKIE-NUMBER, and perhaps .N.
Ifindex standby_in(std::string_view netns) {
    uint32_t out = 0;
    std::string_view last = netns.substr(netns.rfind('-') + 1);
    std::from_chars(last.data(), last.data() + last.size(), out);
    return Ifindex{out};
}

/// The other end of the one in the private namespace, if each knows of the other.
std::optional<Link> find_master(Rtnl &guest, const Link &inner) {
    std::optional<Link> out = guest.link(inner.peer);
    bool same = out && out->kind == inner.kind && out->peer == inner.index;
    return same ? out : std::nullopt;
}

std::optional<Link> find_standby(Rtnl &guest, const UnrecordedPair &pair) {
    Ifindex number = standby_in(pair.netns);
    auto at = std::ranges::find(pair.nics, number, &Link::index);
    if (at != pair.nics.end()) return *at;
    if (!pair.nics.empty() || !pair.master) return std::nullopt;
    std::optional<Link> beside = guest.link(number);
    bool same = beside && beside->index != pair.master->index && beside->mac == pair.master->mac;
    return same ? beside : std::nullopt;
}

UnrecordedPair look_into(Rtnl &guest, const std::string &netns) {
    UnrecordedPair out{netns, {}, {}, {}};
    PairNamespaces namespaces(guest, netns);
    if (!namespaces.has(PairNetns::hidden)) return out; // a name that has lost its namespace
    for (const Link &link : namespaces.rtnl(PairNetns::hidden).links()) {
        if (link.name == inner_name)
            out.master = find_master(guest, link);
        else if (!link.loopback && link.name != waiting_name)
            out.nics.push_back(link);
    }
    out.standby = find_standby(guest, out);
    return out;
}

std::string names_of(const std::vector<Link> &links) {
    std::vector<std::string> out;
    for (const Link &link : links)
        out.push_back(link.name);
    return fmt::format("{}", fmt::join(out, ", "));
}

/// Every NIC of a pair listens to all groups, whatever else was changed on it.
void ignore_groups(Rtnl &guest, const Link &nic) {
    if (nic.allmulti) guest.change(nic.index, nic.name, {.allmulti = false});
}

/// The guest's own again: what the failover device had, and how it was.
void take_place(Rtnl &guest, const Link &nic, const Link &master, const Settings &settings) {
    settings.write_sysctls(nic.name);
    guest.change_addr_gen_mode(nic, master.addr_gen_mode);
    guest.change(nic.index, nic.name, {.up = master.up});
    settings.add_addresses(guest, nic.index);
    settings.add_routes(guest, nic.index);
    settings.add_qdisc(guest, nic.index);
    settings.give_link_settings(guest, nic.index);
    settings.write_ipv6_mtu(guest, nic);
}

/// Also one that might be: the kernel tells no name without CAP_SYS_ADMIN.
bool runs_program_of_a_pair(const Link &nic) {
    auto is_one = [](const OtherProgram &program) {
        return program.id && (program.name.empty() || is_of_a_pair(program));
    };
    return std::ranges::any_of(programs_at(number(nic.index), Direction::ingress), is_one);
}

/// The other one of its MAC.
std::optional<Link> twin_of(const Link &nic, const std::vector<Link> &links) {
    auto at = std::ranges::find_if(links, [&](const Link &link) {
        return link.index != nic.index && link.mac == nic.mac && link.ethernet;
    });
    return at == links.end() ? std::nullopt : std::optional(*at);
}

/// What is still as the pair made it, and not as somebody has set it since.
void give_back_silenced(Rtnl &guest, const UnrecordedPair &pair) {
    for (const Link &seen : pair.silenced)
        if (std::optional<Link> nic = guest.link(seen.index); nic && has_settings_of_a_pair(*nic))
            give_default_settings(guest, *nic);
}

/// Where the standby is then.
std::optional<Link> move_all_out(Rtnl &guest, PairNamespaces &namespaces,
                                 const UnrecordedPair &pair) {
    std::optional<Link> standby = pair.nics.empty() ? pair.standby : std::nullopt;
    for (const Link &nic : pair.nics) {
        std::optional<Link> there = move_out(namespaces, nic);
        if (there) ignore_groups(guest, *there);
        if (pair.standby && nic.index == pair.standby->index) standby = there;
    }
    if (standby && pair.nics.empty()) ignore_groups(guest, *standby);
    return standby;
}

} // namespace

std::string UnrecordedPair::name() const {
    if (standby) return standby->name;
    return master ? master->name : !silenced.empty() ? silenced.front().name : netns;
}

bool UnrecordedPair::is_of(const std::string &ifname) const {
    return (master && master->name == ifname) || (standby && standby->name == ifname) ||
           std::ranges::count(nics, ifname, &Link::name) ||
           std::ranges::count(silenced, ifname, &Link::name);
}

std::string UnrecordedPair::text() const {
    if (netns.empty() && !master)
        return fmt::format(
            "{} answers no ARP, makes no IPv6 address and takes all multicast, as the "
            "pair had it",
            names_of(silenced));
    if (netns.empty()) return fmt::format("{} and XDP programs are left", master->name);
    if (nics.empty() && !master) return "";
    std::vector<std::string> out;
    if (!nics.empty())
        out.push_back(fmt::format("{} {} in the network namespace {}", names_of(nics),
                                  nics.size() > 1 ? "are" : "is", netns));
    if (master) out.push_back(fmt::format("no frame passes {}", master->name));
    return fmt::format("its programs went with it: {}", fmt::join(out, ", and "));
}

std::vector<UnrecordedPair>
unrecorded_pairs(Rtnl &guest, const std::function<bool(const std::string &netns)> &in_use) {
    std::vector<UnrecordedPair> out;
    for (const std::string &netns : private_netns_names())
        if (!in_use(netns)) out.push_back(look_into(guest, netns));
    return out;
}

std::vector<UnrecordedPair> unrecorded_by_xdp(Rtnl &guest,
                                              const std::function<bool(Ifindex inner)> &in_use) {
    std::vector<UnrecordedPair> out;
    const std::vector<Link> links = guest.links();
    for (const Link &inner : links) {
        auto outer = std::ranges::find(links, inner.lower, &Link::index);
        if (inner.kind != "veth" || outer == links.end() || inner.name != inner_of(outer->name))
            continue;
        if (has_own_xdp(number(inner.index)) && !in_use(inner.index))
            out.push_back({"", {}, *outer, {}});
    }
    return out;
}

bool add_silenced(std::vector<UnrecordedPair> &out, Rtnl &guest,
                  const std::function<bool(Ifindex nic)> &in_use) {
    bool busy = false;
    const std::vector<Link> links = guest.links();
    for (const Link &nic : links) {
        if (!has_settings_of_a_pair(nic) || in_use(nic.index)) continue;
        if (runs_program_of_a_pair(nic)) {
            busy = true;
            continue;
        }
        auto same = std::ranges::find_if(out, [&](const UnrecordedPair &pair) {
            return pair.master && pair.master->mac == nic.mac;
        });
        if (same == out.end())
            out.push_back({"", {}, {}, twin_of(nic, links), {nic}});
        else
            same->silenced.push_back(nic);
    }
    return busy;
}

std::string give_back(Rtnl &guest, const UnrecordedPair &pair) {
    give_back_silenced(guest, pair);
    if (pair.netns.empty() && !pair.master)
        return fmt::format("{} answers ARP and makes IPv6 addresses as any NIC here",
                           names_of(pair.silenced));
    if (pair.netns.empty()) {
        remove_device(guest, pair.master->index);
        return fmt::format("{} is removed", pair.master->name);
    }
    PairNamespaces namespaces(guest, pair.netns);
    Settings settings;
    if (pair.master) {
        settings = Settings::read(guest, *pair.master);
        settings.leave_groups(guest, pair.master->index);
        remove_device(guest, pair.master->index); // its name and number may be the standby's own
    }
    std::optional<Link> standby = move_all_out(guest, namespaces, pair);
    remove_private_netns(namespaces, pair.netns);
    std::string out = pair.nics.empty() ? "" : names_of(pair.nics) + " returned from there; ";
    if (!pair.master) return out + "the addresses went with the failover device";
    if (!standby) return out + fmt::format("the addresses of {} are lost", pair.master->name);
    try {
        take_place(guest, *standby, *pair.master, settings);
    } catch (const Error &error) {
        return out + error.what();
    }
    return out + fmt::format("{} has what {} had", standby->name, pair.master->name);
}

} // namespace hitless
