// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/address_renewal.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netlink/address_lifetimes.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {
namespace {

/// A DHCP client renews at half of the time, and asks everybody at seven eighths (RFC 2131): what
/// has less than a quarter left has been forgotten.
constexpr int overdue = 4;

std::string names_of(const std::vector<PacketListener> &listeners) {
    std::vector<std::string> out;
    for (const PacketListener &listener : listeners)
        out.push_back(listener.text());
    return fmt::format("{}", fmt::join(out, ", "));
}

std::string end_them(const std::vector<PacketListener> &listeners) {
    std::vector<int> pids;
    for (const PacketListener &listener : listeners)
        if (listener.pid) pids.push_back(listener.pid);
    return pids.empty() ? "end it" : fmt::format("`kill {}`", fmt::join(pids, " "));
}

std::string start_client(const std::string &ifname) {
    return fmt::format("dhclient {}", shell_quoted(ifname));
}

void tell(const Note &note, const TimedAddress &address, const std::string &now_on) {
    if (note)
        note(fmt::format("{} ends in {} s unless somebody renews it on {}, as `{}` does",
                         address.text(), address.left.count(), now_on, start_client(now_on)));
}

} // namespace

void check_renewal(Rtnl &rtnl, const Link &from, const std::string &to, const Note &note) {
    std::vector<TimedAddress> timed = timed_addresses(rtnl, from);
    if (timed.empty()) return;
    std::vector<PacketListener> listeners = packet_listeners(from.index);
    if (!listeners.empty())
        throw Error(EBUSY, fmt::format("attach {}", from.name),
                    fmt::format("{} listens on it, and would not renew {} on the failover device",
                                names_of(listeners), timed.front().text()),
                    fmt::format("{}, attach, and start it on the failover device; or use the "
                                "model two, in which nothing moves",
                                end_them(listeners)));
    for (const TimedAddress &address : timed)
        tell(note, address, to);
}

void note_renewal(Rtnl &rtnl, const Link &master, const std::string &standby, const Note &note) {
    for (const TimedAddress &address : timed_addresses(rtnl, master))
        tell(note, address, standby);
    std::vector<PacketListener> listeners = packet_listeners(master.index);
    if (!listeners.empty())
        note(fmt::format("{} listens on {}, which goes: start it on {}", names_of(listeners),
                         master.name, standby));
}

hl_travelled first_to_end(Rtnl &rtnl, const Link &link) {
    std::vector<TimedAddress> timed = timed_addresses(rtnl, link);
    auto first = std::ranges::min_element(timed, {}, &TimedAddress::left);
    hl_travelled out{};
    if (first == timed.end()) return out;
    out.ends_ns = static_cast<uint64_t>((now() + first->left).count());
    std::memcpy(out.address, first->ip.bytes.data(), sizeof(out.address));
    out.six = first->ip.six;
    out.prefix_length = first->prefix_length;
    return out;
}

void find_expiring(std::vector<Problem> &out, Rtnl &rtnl, const hl_pair &state,
                   const Link &master) {
    if (number(master.index) != state.failover.outer) return; // nothing has travelled
    for (const TimedAddress &address : timed_addresses(rtnl, master))
        if (address.left * overdue < address.total)
            out.push_back({fmt::format("{} on {} ends in {} s, and nobody renews it",
                                       address.text(), master.name, address.left.count()),
                           start_client(master.name)});
    const hl_travelled &gone = state.travelled;
    const bool six = gone.six;
    if (!gone.ends_ns || gone.ends_ns > static_cast<uint64_t>(now().count()) ||
        has_global_address(rtnl, master.index, six))
        return;
    TimedAddress address{{six, {}}, gone.prefix_length, {}, {}};
    std::memcpy(address.ip.bytes.data(), gone.address, sizeof(gone.address));
    out.push_back(
        {fmt::format("{} has ended on {}, and nobody renewed it", address.text(), master.name),
         start_client(master.name)});
}

} // namespace hitless
