// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/announce.hpp"

#include <algorithm>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

// Gateways and the busiest peers; one would move the tables on its way only.
constexpr size_t most_neighbours = 4;
constexpr size_t most_addresses = 8; // a bond's storm of thousands is what nobody should repeat

} // namespace

void Announcer::learn(Rtnl &rtnl, Ifindex master, const Mac &own, hl_announce how) {
    // Protocol 0: sends only, receives nothing.
    if (!out_) out_ = Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    master_ = master;
    own_ = own;
    frames_.clear();
    knows_somebody_ = false;
    if (how == HL_ANNOUNCE_NONE) return;
    std::vector<Address> addresses = rtnl.addresses(master);
    auto six = std::ranges::find(addresses, true, &Address::six);
    for (const Neighbour &to : rtnl.neighbours(master)) {
        if (frames_.size() == most_neighbours) break;
        if (to.ip.six && six == addresses.end()) continue;
        Ends ends{own, to.mac, to.ip.six ? *six : Address{}, to.ip};
        frames_.push_back(to.ip.six ? neighbour_solicitation(ends) : arp_request(ends, true));
    }
    knows_somebody_ = !frames_.empty();
    if (!knows_somebody_) frames_.push_back(broadcast_presence(own));
    learn_groups(addresses);
    if (how != HL_ANNOUNCE_GARP) return;
    for (size_t i = 0; i < std::min(addresses.size(), most_addresses); i++)
        frames_.push_back(broadcast_announcement(own, addresses[i]));
}

/// Behind a switch that snoops, the groups must be asked for where the guest is now.
void Announcer::learn_groups(const std::vector<Address> &addresses) {
    Address four, six{true, {}}; // unspecified where there is none
    for (const Address &address : addresses)
        if (!address.six)
            four = address;
        else if (address.bytes[0] == 0xfe) // link-local, as MLD wants it
            six = address;
    for (Frame &frame : membership_reports(own_, four, six, joined_groups(master_)))
        frames_.push_back(std::move(frame));
}

void Announcer::tell() const {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(number(master_));
    for (const Frame &frame : frames_)
        sendto(out_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<sockaddr *>(&to), sizeof(to));
}

void announce(Rtnl &rtnl, Ifindex master, const Mac &own, hl_announce how) {
    Announcer announcer;
    announcer.learn(rtnl, master, own, how);
    announcer.tell();
}

} // namespace hitless
