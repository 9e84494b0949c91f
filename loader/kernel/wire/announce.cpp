// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/announce.hpp"

#include <algorithm>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

// Gateways and the busiest peers; one would move the tables on its way only.
constexpr size_t most_neighbours = 4;
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

void Announcer::learn(Rtnl &rtnl, const Stations &stations, hl_announce how) {
    // Protocol 0: sends only, receives nothing.
    if (!out_) out_ = Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    announcements_.clear();
    knows_somebody_ = false;
    if (how == HL_ANNOUNCE_NONE) return;
    for (const Station &station : stations.own)
        knows_somebody_ |= learn_one(rtnl, station, knows_somebody_ ? 1 : most_neighbours, how) > 0;
    for (const Station &nested : nested_stations(rtnl, stations.ports))
        announcements_.push_back({nested.index, broadcast_presence(nested.mac)});
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
