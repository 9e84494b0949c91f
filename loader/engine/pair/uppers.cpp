// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/uppers.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netlink/address_lifetimes.hpp"
#include "loader/kernel/wire/groups.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

std::vector<std::string> names_on(Rtnl &rtnl, Ifindex device) {
    std::vector<std::string> out;
    for (const Link &link : rtnl.links())
        if (stands_on(link, device)) out.push_back(link.name);
    return out;
}

std::string text_of(const Address &address) {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(address.six ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof(text));
    return text;
}

/// The bridge or bond that has it as a port.
std::optional<Link> owner_of(Rtnl &rtnl, const Link &link) {
    return link.master == Ifindex::none ? std::nullopt : rtnl.link(link.master);
}

void note_groups(Rtnl &rtnl, const Link &from, const std::string &to, const Note &note) {
    std::vector<Address> groups = groups_of_sockets(from.index), own = rtnl.addresses(from.index);
    std::vector<std::string> texts;
    for (const Address &group : groups)
        if (!std::ranges::count(own, group)) texts.push_back(text_of(group));
    if (!texts.empty())
        note(fmt::format("who joined {} on {} receives nothing by it any more, until it joins on "
                         "{}: start it again",
                         fmt::join(texts, ", "), from.name, to));
}

/// They go along, but only as ordinary ones.
void note_temporary(Rtnl &rtnl, const Link &from, const std::string &to, const Note &note) {
    for (const TimedAddress &address : temporary_addresses(rtnl, from))
        note(fmt::format("{} is an ordinary address on {}, until it ends: only the kernel makes "
                         "temporary ones, and makes another where use_tempaddr asks for it",
                         address.text(), to));
}

} // namespace

bool stands_on(const Link &upper, Ifindex device) {
    return device != Ifindex::none && upper.lower == device && upper.kind != "veth" &&
           upper.kind != "netkit";
}

void check_nothing_stands_on(const Link &standby, const std::vector<Link> &links) {
    for (const Link &link : links)
        if (stands_on(link, standby.index))
            throw Error(EBUSY, fmt::format("attach {}", standby.name),
                        fmt::format("{} stands on it and would hear nothing", link.name),
                        "remove it and make it on the failover device, or use the model two");
}

void check_nothing_ends_with(Rtnl &rtnl, const Link &master) {
    std::vector<std::string> uppers = names_on(rtnl, master.index);
    const std::string action = fmt::format("convert {}", master.name);
    if (!uppers.empty())
        throw Error(EBUSY, action,
                    fmt::format("{} {} on it and would be lost", fmt::join(uppers, ", "),
                                uppers.size() > 1 ? "stand" : "stands"),
                    fmt::format("`ip link del {}`, convert, and make it again on the device that "
                                "takes its place",
                                shell_quoted(uppers.front())));
    if (std::optional<Link> owner = owner_of(rtnl, master))
        throw Error(
            EBUSY, action, fmt::format("it is a port of {}, which would lose it", owner->name),
            fmt::format("`ip link set {} nomaster`, convert, and make the device that takes "
                        "its place a port",
                        shell_quoted(master.name)));
}

void note_left_behind(Rtnl &rtnl, const Link &from, const std::string &to, const Note &note) {
    if (!note) return;
    note_groups(rtnl, from, to, note);
    note_temporary(rtnl, from, to, note);
}

void note_uppers(Rtnl &rtnl, const Link &master, const std::string &standby, const Note &note) {
    const std::string goes = fmt::format("{}, which goes", master.name);
    std::vector<std::string> uppers = names_on(rtnl, master.index);
    if (!uppers.empty())
        note(fmt::format("{} stood on {}: what is still needed must be made again on {}",
                         fmt::join(uppers, ", "), goes, standby));
    if (std::optional<Link> owner = owner_of(rtnl, master))
        note(fmt::format("{} had the port {}: `ip link set {} master {}`", owner->name, goes,
                         shell_quoted(standby), shell_quoted(owner->name)));
    note_left_behind(rtnl, master, standby, note);
}

} // namespace hitless
