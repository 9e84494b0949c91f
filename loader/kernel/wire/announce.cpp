// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/announce.hpp"

#include <algorithm>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

// Gateways and the busiest peers; one would move the tables on its way only.
constexpr size_t most_neighbours = 4;
constexpr size_t most_stations = 16;
constexpr size_t most_addresses = 8; // a bond's storm of thousands is what nobody should repeat

/// Behind a switch that snoops, the groups must be asked for where the guest is now.
std::vector<Frame> group_reports(const Station &from, const std::vector<Address> &addresses) {
    Address four, six{true, {}}; // unspecified where there is none
    for (const Address &address : addresses)
        if (!address.six)
            four = address;
        else if (address.bytes[0] == 0xfe) // link-local, as MLD wants it
            six = address;
    return membership_reports(from.mac, four, six, joined_groups(from.index));
}

} // namespace

std::vector<Station> stations(const std::vector<Link> &links, Ifindex master, const Mac &own) {
    std::vector<Station> out{{master, own}};
    for (size_t i = 0; i < out.size(); i++) // which grows meanwhile
        for (const Link &link : links) {
            bool stands_here =
                link.lower == out[i].index && (link.kind == "vlan" || link.kind == "macvlan");
            if (stands_here && link.usable() && out.size() < most_stations)
                out.push_back({link.index, link.mac});
        }
    return out;
}

void Announcer::learn(Rtnl &rtnl, const std::vector<Station> &stations, hl_announce how) {
    // Protocol 0: sends only, receives nothing.
    if (!out_) out_ = Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    announcements_.clear();
    knows_somebody_ = false;
    if (how == HL_ANNOUNCE_NONE) return;
    for (const Station &station : stations) {
        bool is_master = &station == &stations.front();
        size_t told = learn_one(rtnl, station, is_master ? most_neighbours : 1, how);
        knows_somebody_ |= is_master && told;
    }
}

size_t Announcer::learn_one(Rtnl &rtnl, const Station &from, size_t most, hl_announce how) {
    std::vector<Frame> frames;
    std::vector<Address> addresses = rtnl.addresses(from.index);
    auto six = std::ranges::find(addresses, true, &Address::six);
    for (const Neighbour &to : rtnl.neighbours(from.index)) {
        if (frames.size() == most) break;
        if (to.ip.six && six == addresses.end()) continue;
        Ends ends{from.mac, to.mac, to.ip.six ? *six : Address{}, to.ip};
        frames.push_back(to.ip.six ? neighbour_solicitation(ends) : arp_request(ends, true));
    }
    size_t told = frames.size();
    if (!told) frames.push_back(broadcast_presence(from.mac));
    for (Frame &report : group_reports(from, addresses))
        frames.push_back(std::move(report));
    if (how == HL_ANNOUNCE_GARP)
        for (size_t i = 0; i < std::min(addresses.size(), most_addresses); i++)
            frames.push_back(broadcast_announcement(from.mac, addresses[i]));
    for (Frame &frame : frames)
        announcements_.push_back({from.index, std::move(frame)});
    return told;
}

void Announcer::send() const {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    for (const auto &[from, frame] : announcements_) {
        to.sll_ifindex = static_cast<int>(number(from));
        sendto(out_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<sockaddr *>(&to), sizeof(to));
    }
}

} // namespace hitless
