// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/prober.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/netns/private_netns.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

namespace hitless {
namespace {

constexpr size_t most_targets = 4;
constexpr size_t most_questions = 16; // older ones are not waited for any more

void fill_random(void *to, size_t size) {
    if (getrandom(to, size, 0) != static_cast<ssize_t>(size)) throw Error(errno, "draw a nonce");
}

Fd packet_socket(uint16_t protocol) {
    Fd out(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(protocol)));
    if (!out && errno != EPERM) throw Error(errno, "open a packet socket");
    return out; // none without CAP_NET_RAW
}

Fd way_out(int netns) {
    if (netns < 0) return packet_socket(0);
    InNetns there(netns);
    return packet_socket(0);
}

/// What a socket for answers has received: of a packet socket the frame, of a raw one the packet.
struct Received {
    Bytes bytes;
    sockaddr_storage from{};
    Ifindex came_by = Ifindex::none;
};

/// Nothing when there is no more.
std::optional<Received> receive(int socket, std::span<uint8_t> room) {
    Received out;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))];
    iovec part{room.data(), room.size()};
    msghdr message{&out.from, sizeof(out.from), &part, 1, control, sizeof(control), 0};
    ssize_t length = recvmsg(socket, &message, 0);
    if (length <= 0) return std::nullopt;
    out.bytes = Bytes(room.data(), static_cast<size_t>(length));
    if (out.from.ss_family == AF_PACKET)
        out.came_by =
            Ifindex{static_cast<uint32_t>(reinterpret_cast<sockaddr_ll &>(out.from).sll_ifindex)};
    for (cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        in_pktinfo info4{};
        in6_pktinfo info6{};
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&info4, CMSG_DATA(c), sizeof(info4));
            out.came_by = Ifindex{static_cast<uint32_t>(info4.ipi_ifindex)};
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(c), sizeof(info6));
            out.came_by = Ifindex{info6.ipi6_ifindex};
        }
    }
    return out;
}

/// Has the kernel say at which device a raw socket's packets came in.
void ask_for_device(const Fd &socket, int family) {
    int yes = 1;
    if (family == AF_INET
            ? setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &yes, sizeof(yes))
            : setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes)))
        throw Error(errno, "learn where answers come in");
}

Fd filtered_socket(int family, int protocol, std::span<sock_filter> code) {
    sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
    Fd out(socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (out && setsockopt(out.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
        throw Error(errno, "filter a socket for answers");
    if (out) ask_for_device(out, family);
    return out;
}

/// Frames of one ICMP type with our identifier; the rest is not even queued. `ip`: they start with
/// their IPv4 header.
Fd icmp_socket(int family, int protocol, uint8_t type, uint16_t id, bool ip) {
    sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_IMM, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, type, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    if (ip) code[0] = BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
    return filtered_socket(family, protocol, code);
}

/// The address that the guest itself would use towards a neighbour.
std::optional<Address> own_address(const Address &peer, Ifindex master) {
    sockaddr_storage to{};
    socklen_t size = sizeof(sockaddr_in);
    if (peer.six) {
        auto &in6 = reinterpret_cast<sockaddr_in6 &>(to);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(9);
        in6.sin6_scope_id = number(master);
        memcpy(&in6.sin6_addr, peer.bytes.data(), sizeof(in6.sin6_addr));
        size = sizeof(in6);
    } else {
        auto &in4 = reinterpret_cast<sockaddr_in &>(to);
        in4.sin_family = AF_INET;
        in4.sin_port = htons(9);
        memcpy(&in4.sin_addr, peer.bytes.data(), sizeof(in4.sin_addr));
    }
    Fd udp(socket(peer.six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // Sends nothing: a connected datagram socket has chosen its source address, that is all.
    if (!udp || connect(udp.get(), reinterpret_cast<sockaddr *>(&to), size) < 0 ||
        getsockname(udp.get(), reinterpret_cast<sockaddr *>(&to), &size) < 0)
        return std::nullopt;
    Address out{peer.six, {}};
    if (peer.six)
        memcpy(out.bytes.data(), &reinterpret_cast<sockaddr_in6 &>(to).sin6_addr, 16);
    else
        memcpy(out.bytes.data(), &reinterpret_cast<sockaddr_in &>(to).sin_addr, 4);
    return out;
}

bool send(const Fd &socket, Ifindex nic, const Frame &frame) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(number(nic));
    return sendto(socket.get(), frame.data(), frame.size(), MSG_DONTWAIT,
                  reinterpret_cast<sockaddr *>(&to), sizeof(to)) >= 0;
}

/// Which a network keeps to the port that it came by.
Frame frame_to_itself(const Mac &own) {
    constexpr uint8_t local_experiment[] = {0x88, 0xb5}; // IEEE 802, for anybody's trials
    Frame out(own.bytes.begin(), own.bytes.end());
    out.insert(out.end(), own.bytes.begin(), own.bytes.end());
    out.insert(out.end(), std::begin(local_experiment), std::end(local_experiment));
    out.resize(ETH_ZLEN);
    return out;
}

/// Of one protocol, so it stands behind tc: unicast frames to this host that are still the NIC's.
Fd stray_socket(Ifindex nic, uint16_t protocol) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, ETH_HLEN),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    sock_fprog filter{std::size(code), code};
    sockaddr_ll here{};
    here.sll_family = AF_PACKET;
    here.sll_protocol = htons(protocol);
    here.sll_ifindex = static_cast<int>(number(nic));
    Fd out = packet_socket(0);
    if (!out || setsockopt(out.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
        bind(out.get(), reinterpret_cast<sockaddr *>(&here), sizeof(here)) < 0)
        return {};
    return out;
}

} // namespace

Prober::Prober(int netns_of_nics)
    : answers_(epoll_create1(EPOLL_CLOEXEC)), out_(way_out(netns_of_nics)), netns_(netns_of_nics) {
    fill_random(&id_, sizeof(id_));
    if (!answers_) throw Error(errno, "create an epoll set");
    if (!out_) return; // paths are then used by the timer alone
    // The standby's own egress program would lead the frame to the primary.
    int yes = 1;
    if (setsockopt(out_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) < 0)
        throw Error(errno, "bypass the queueing discipline");
    echo4_ = icmp_socket(AF_INET, IPPROTO_ICMP, ICMP_ECHOREPLY, id_, true);
    echo6_ = icmp_socket(AF_INET6, IPPROTO_ICMPV6, ICMPV6_ECHO_REPLY, id_, false);
    if (!echo4_) throw Error(errno, "open a raw socket");
    listen_to(echo4_);
    if (echo6_) listen_to(echo6_); // else there is no IPv6
}

void Prober::watch(Ifindex nic) {
    constexpr Instant pause = std::chrono::milliseconds(300);
    bool same = nic == watched_;
    if (!out_ || (same && (!strays_.empty() || now() - strayed_at_ < pause))) return;
    strays_.clear();
    watched_ = nic;
    if (nic == Ifindex::none) return;
    std::optional<InNetns> there;
    if (netns_ >= 0) there.emplace(netns_);
    for (uint16_t protocol : {ETH_P_ARP, ETH_P_IP, ETH_P_IPV6}) {
        Fd socket = stray_socket(nic, protocol);
        if (!socket) continue; // the NIC has just gone
        listen_to(socket);
        strays_.push_back(std::move(socket));
    }
}

void Prober::read_strays() {
    char byte = 0;
    bool any = std::ranges::any_of(
        strays_, [&](const Fd &socket) { return recv(socket.get(), &byte, 1, MSG_TRUNC) > 0; });
    if (!any) return;
    strays_.clear();
    strayed_ = true;
    strayed_at_ = now();
}

void Prober::listen_to(Fd &socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(answers_.get(), EPOLL_CTL_ADD, socket.get(), &event) < 0)
        throw Error(errno, "wait for answers");
}

/// Unicast ARP replies alone.
void Prober::open_arp() {
    if (arp_) return;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETH_HLEN + 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    sock_fprog filter{std::size(code), code};
    Fd socket = packet_socket(0);
    if (setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
        throw Error(errno, "filter a socket for answers");
    sockaddr_ll all{};
    all.sll_family = AF_PACKET;
    all.sll_protocol = htons(ETH_P_ARP);
    if (bind(socket.get(), reinterpret_cast<sockaddr *>(&all), sizeof(all)) < 0)
        throw Error(errno, "listen for ARP replies");
    arp_ = std::move(socket);
    listen_to(arp_);
}

/// Neighbour advertisements that no router has passed on (RFC 4861, 7.1.2).
void Prober::open_discovery() {
    if (discovery_) return;
    constexpr uint32_t hop_limit = static_cast<uint32_t>(SKF_NET_OFF) + 7;
    constexpr uint8_t advertisement = 136, from_the_link = 255;
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, advertisement, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, hop_limit),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, from_the_link, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    discovery_ = filtered_socket(AF_INET6, IPPROTO_ICMPV6, code);
    if (!discovery_) throw Error(errno, "listen for neighbour advertisements");
    listen_to(discovery_);
}

std::vector<Prober::Way> Prober::ways_of(Rtnl &rtnl, const Station &from, bool unresolved) const {
    std::vector<Way> out;
    for (const Neighbour &to :
         unresolved ? rtnl.unresolved_neighbours(from.index) : rtnl.neighbours(from.index)) {
        if (to.ip.six && !echo6_) continue;
        if (std::optional<Address> own = own_address(to.ip, from.index))
            out.push_back({{from.mac, to.mac, *own, to.ip}, from.tags, unresolved});
    }
    return out;
}

void Prober::learn(Rtnl &rtnl, const std::vector<Station> &stations) {
    if (!echo4_) return;
    std::vector<Way> ways;
    // Whom the guest looks for in vain: if the standby is answered, it is the primary's fault.
    for (bool unresolved : {false, true}) {
        unresolved_ = unresolved;
        for (const Station &from : stations)
            std::ranges::move(ways_of(rtnl, from, unresolved), std::back_inserter(ways));
        if (!ways.empty()) break;
    }
    if (ways.size() > most_targets) ways.resize(most_targets);
    for (size_t i = 0, echoes = ways.size(); i < echoes && !unresolved_; i++) {
        ways.push_back(ways[i]);
        ways.back().by_claim = true;
    }
    if (!ways_.empty()) {
        auto present = std::ranges::find(ways, ways_.front());
        if (present != ways.end()) std::rotate(ways.begin(), present, ways.end());
    }
    ways_ = std::move(ways);
}

void Prober::next_target() {
    if (!ways_.empty()) std::rotate(ways_.begin(), ways_.begin() + 1, ways_.end());
}

/// No nonce: what came by which path shows by the sender address, which one lacks.
Frame Prober::ask_for_claim(const Ends &ends, bool second_path) {
    if (ends.peer_ip.six) {
        open_discovery();
        return neighbour_solicitation(ends, second_path);
    }
    open_arp();
    return arp_request(ends, second_path);
}

/// To the present target. It is waited for.
Frame Prober::question(bool second_path, Instant now) {
    const Way &way = ways_.front();
    Question question{{}, way.ends, way.by_claim, second_path, now};
    fill_random(question.nonce.data(), question.nonce.size());
    Frame frame = way.by_claim ? ask_for_claim(way.ends, second_path)
                               : echo_request(way.ends, id_, question.nonce);
    put_tags(frame, way.tags);
    questions_.push_back(question);
    if (questions_.size() > most_questions) questions_.pop_front();
    return frame;
}

bool Prober::ask(Ifindex nic, bool second_path, Instant now) {
    if (ways_.empty()) return false;
    bool sent = send(out_, nic, question(second_path, now));
    if (!sent) questions_.pop_back(); // what was not asked is not answered
    return sent;
}

bool Prober::ask_as_guest(Ifindex master, const Mac &own, Instant now) {
    if (!as_guest_) as_guest_ = packet_socket(0);
    return send(as_guest_, master, ways_.empty() ? frame_to_itself(own) : question(false, now));
}

/// Each question is answered once. Without a nonce, an answer is to the newest: were it to one that
/// was lost long ago, answers would seem to take that long.
template <typename Matches>
void Prober::match_answer(Matches matches, Ifindex came_by, const Heard &heard) {
    auto newest = std::find_if(questions_.rbegin(), questions_.rend(), matches);
    if (newest == questions_.rend()) return;
    heard({newest->second_path, newest->asked, came_by});
    std::erase_if(questions_, matches);
}

void Prober::read_echoes(int socket, bool six, const Heard &heard) {
    uint8_t packet[256];
    while (std::optional<Received> got = receive(socket, packet)) {
        Bytes icmp = got->bytes;
        if (!six) icmp = icmp.subspan(std::min<size_t>(icmp.size(), (packet[0] & 0xf) * 4u));
        std::optional<Nonce> nonce = nonce_of_reply(icmp, id_, six);
        const void *ip =
            six ? static_cast<void *>(&reinterpret_cast<sockaddr_in6 &>(got->from).sin6_addr)
                : &reinterpret_cast<sockaddr_in &>(got->from).sin_addr;
        if (nonce)
            match_answer(
                [&](const Question &q) {
                    return !q.by_claim && q.nonce == *nonce && q.ends.peer_ip.six == six &&
                           !memcmp(q.ends.peer_ip.bytes.data(), ip, six ? 16 : 4);
                },
                got->came_by, heard);
    }
}

void Prober::read_claims(int socket, std::optional<Claim> (*parse)(Bytes), const Heard &heard) {
    uint8_t packet[256];
    while (std::optional<Received> got = receive(socket, packet)) {
        std::optional<Claim> claim = parse(got->bytes);
        if (claim)
            match_answer(
                [&](const Question &q) {
                    return q.by_claim && q.ends.peer_ip == claim->sender_ip &&
                           (claim->sender.empty() || q.ends.peer.empty() ||
                            q.ends.peer == claim->sender) &&
                           q.second_path == claim->to_probe;
                },
                got->came_by, heard);
    }
}

void Prober::read(const Heard &heard) {
    read_strays();
    if (echo4_) read_echoes(echo4_.get(), false, heard);
    if (echo6_) read_echoes(echo6_.get(), true, heard);
    if (arp_) read_claims(arp_.get(), arp_reply, heard);
    if (discovery_) read_claims(discovery_.get(), neighbour_advertisement, heard);
}

} // namespace hitless
