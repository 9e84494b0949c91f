// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/channel_socket.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/private_netns.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace hitless {
namespace {

constexpr uint8_t address[] = HL_CHANNEL_ADDRESS;
constexpr unsigned most_at_once = 64; // messages
constexpr int room = 64 * 1024;       // of the socket; a conversation needs a few hundred bytes

/// Of no protocol yet: it receives nothing before it is bound.
Fd silent_socket() {
    Fd out(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out && errno != EPERM) throw Error(errno, "open a packet socket");
    return out;
}

Fd silent_socket_in(int netns) {
    if (netns < 0) return silent_socket();
    InNetns there(netns);
    return silent_socket();
}

sockaddr_ll of_channel(Ifindex nic) {
    sockaddr_ll out{};
    out.sll_family = AF_PACKET;
    out.sll_protocol = htons(HL_CHANNEL_ETHERTYPE);
    out.sll_ifindex = static_cast<int>(number(nic));
    return out;
}

template <typename T>
void set_option(const Fd &socket, int level, int option, const T &value) {
    if (setsockopt(socket.get(), level, option, &value, sizeof(value)) < 0)
        throw Error(errno, "prepare a socket for the host's word");
}

constexpr uint32_t of_skb(uint32_t fact) {
    return static_cast<uint32_t>(SKF_AD_OFF) + fact;
}

} // namespace

ChannelSocket::ChannelSocket(int netns_of_nics) : socket_(silent_socket_in(netns_of_nics)) {
    if (!socket_) return;
    // The standby's own egress program would lead the frame to the primary.
    set_option(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    set_option(socket_, SOL_SOCKET, SO_RCVBUF, room);
    filter();
    sockaddr_ll all = of_channel(Ifindex::none);
    if (bind(socket_.get(), reinterpret_cast<sockaddr *>(&all), sizeof(all)) < 0)
        throw Error(errno, "listen for the host");
}

/// No frame but one to the channel's address, without a VLAN tag, by the NIC itself. The number 0
/// is no NIC's.
void ChannelSocket::filter() const {
    constexpr uint32_t head = address[0] << 24 | address[1] << 16 | address[2] << 8 | address[3],
                       tail = address[4] << 8 | address[5], longest = 512;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, of_skb(SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number(nic_), 0, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, of_skb(SKF_AD_VLAN_TAG_PRESENT)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, head, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tail, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, longest),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    sock_fprog program{std::size(code), code};
    set_option(socket_, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

/// A NIC's own filter lets the address through. One that is gone has taken its membership along.
void ChannelSocket::join(bool member) const {
    packet_mreq request{};
    request.mr_ifindex = static_cast<int>(number(nic_));
    request.mr_type = PACKET_MR_MULTICAST;
    request.mr_alen = sizeof(address);
    memcpy(request.mr_address, address, sizeof(address));
    setsockopt(socket_.get(), SOL_PACKET, member ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
               &request, sizeof(request));
}

void ChannelSocket::use(Ifindex nic) {
    if (!socket_ || nic == nic_) return;
    if (nic_ != Ifindex::none) join(false);
    nic_ = nic;
    filter();
    char byte = 0;
    while (recv(socket_.get(), &byte, 1, MSG_TRUNC) >= 0) // by the former NIC
        continue;
    if (nic != Ifindex::none) join(true);
}

void ChannelSocket::read(const Heard &heard) {
    uint8_t frame[512];
    for (unsigned i = 0; socket_ && i < most_at_once; i++) {
        ssize_t length = recv(socket_.get(), frame, sizeof(frame), 0);
        if (length < 0) return;
        heard(decode_frame({frame, static_cast<size_t>(length)}));
    }
}

bool ChannelSocket::send(const Mac &source, const ChannelMessage &message) const {
    if (!socket_ || nic_ == Ifindex::none) return false;
    sockaddr_ll to = of_channel(nic_);
    std::vector<uint8_t> frame = encode_frame(source, message);
    return sendto(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
                  reinterpret_cast<sockaddr *>(&to),
                  sizeof(to)) == static_cast<ssize_t>(frame.size());
}

} // namespace hitless
