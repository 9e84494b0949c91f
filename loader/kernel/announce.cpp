// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/announce.hpp"
#include "loader/kernel/fd.hpp"
#include "loader/kernel/frames.hpp"

#include <algorithm>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

// Gateways and the busiest peers; one would move the tables on its way only.
constexpr size_t most_neighbours = 4;
constexpr size_t most_addresses = 8; // a bond's storm of thousands is what nobody should repeat

class Master {
  public:
    // Protocol 0: sends only, receives nothing.
    explicit Master(Ifindex index)
        : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), index_(index) {}

    void send(const Frame &frame) const {
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(number(index_));
        sendto(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
               reinterpret_cast<sockaddr *>(&to), sizeof(to));
    }

  private:
    Fd socket_;
    Ifindex index_;
};

} // namespace

void announce(Rtnl &rtnl, Ifindex master, const Mac &own, hl_announce how) {
    if (how == HL_ANNOUNCE_NONE) return;
    Master out(master);
    std::vector<Address> addresses = rtnl.addresses(master);
    std::vector<Neighbour> known = rtnl.neighbours(master);
    auto six = std::ranges::find(addresses, true, &Address::six);
    size_t told = 0;
    for (const Neighbour &to : known) {
        if (told == most_neighbours) break;
        if (to.ip.six && six == addresses.end()) continue;
        Ends ends{own, to.mac, to.ip.six ? *six : Address{}, to.ip};
        out.send(to.ip.six ? neighbour_solicitation(ends) : arp_request(ends, true));
        told++;
    }
    if (!told) out.send(broadcast_presence(own));
    if (how != HL_ANNOUNCE_GARP) return;
    for (size_t i = 0; i < std::min(addresses.size(), most_addresses); i++)
        out.send(broadcast_announcement(own, addresses[i]));
}

} // namespace hitless
