// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/announce.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

// Gateways and the busiest peers; one would move the tables on its way only.
constexpr size_t most_neighbours = 4;
constexpr Mac broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// An ARP packet in its Ethernet frame (RFC 826), IPv4 over Ethernet.
struct ArpFrame {
    Mac to, from;
    uint16_t ethertype;
    uint16_t hardware = htons(1);
    uint16_t protocol = htons(ETH_P_IP);
    uint8_t hardware_size = 6, protocol_size = 4;
    uint16_t operation;
    Mac sender;
    std::array<uint8_t, 4> sender_ip{};
    Mac target{};
    std::array<uint8_t, 4> target_ip{};
};
static_assert(sizeof(ArpFrame) == 42); // every field stands where its alignment wants it

ArpFrame probe(const Mac &own, const Neighbour &to) {
    constexpr uint16_t request = 1;
    ArpFrame frame{.to = to.mac,
                   .from = own,
                   .ethertype = htons(ETH_P_ARP),
                   .operation = htons(request),
                   .sender = own};
    frame.target_ip = to.ip;
    return frame;
}

ArpFrame here_i_am(const Mac &own) {
    constexpr uint16_t reverse_request = 3; // RFC 903
    return {.to = broadcast,
            .from = own,
            .ethertype = htons(ETH_P_RARP),
            .operation = htons(reverse_request),
            .sender = own,
            .target = own};
}

void send(int socket, Ifindex master, const ArpFrame &frame) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(number(master));
    sendto(socket, &frame, sizeof(frame), MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&to),
           sizeof(to));
}

} // namespace

void announce(Rtnl &rtnl, Ifindex master, const Mac &own) {
    // Protocol 0: sends only, receives nothing.
    Fd out(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!out) return;
    std::vector<Neighbour> known = rtnl.neighbours(master);
    if (known.empty()) send(out.get(), master, here_i_am(own));
    for (size_t i = 0; i < std::min(known.size(), most_neighbours); i++)
        send(out.get(), master, probe(own, known[i]));
}

} // namespace hitless
