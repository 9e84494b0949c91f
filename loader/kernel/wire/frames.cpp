// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/frames.hpp"

#include <algorithm>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>

namespace hitless {
namespace {

constexpr Mac everybody{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr Mac all_nodes_mac{{0x33, 0x33, 0, 0, 0, 1}};
constexpr Address all_nodes{true, {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

constexpr Address solicited_node{true, {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};

constexpr Address mld2_routers{true, {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}};
constexpr Address igmp3_routers{false, {224, 0, 0, 22}};

constexpr uint8_t igmp1_report = 0x12, igmp2_report = 0x16, igmp3_report = 0x22, mld2_report = 143;
constexpr uint8_t neighbour_solicit = 135, neighbour_advert = 136;
constexpr uint8_t option_source_mac = 1, option_target_mac = 2;
constexpr uint8_t nd_hops = 255; // RFC 4861: what crossed a router is refused
constexpr uint8_t echo_hops = 64;

class Writer {
  public:
    Writer &u8(uint8_t v) {
        frame.push_back(v);
        return *this;
    }
    Writer &u16(unsigned v) { return u8(v >> 8 & 0xff).u8(v & 0xff); }
    Writer &bytes(Bytes b) {
        frame.insert(frame.end(), b.begin(), b.end());
        return *this;
    }
    Writer &ip(const Address &a) { return bytes(Bytes(a.bytes).first(a.six ? 16 : 4)); }
    Frame frame;
};

uint16_t at16(Bytes b, size_t at) {
    return static_cast<uint16_t>(b[at] << 8 | b[at + 1]);
}

/// RFC 1071, from a start that a pseudo header may have.
uint16_t checksum(Bytes b, uint32_t sum = 0) {
    for (size_t i = 0; i < b.size(); i++)
        sum += i % 2 ? b[i] : b[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

void put16(Frame &frame, size_t at, uint16_t v) {
    frame[at] = v >> 8;
    frame[at + 1] = v & 0xff;
}

/// An ICMP message with its checksum still zero, in IPv4.
Frame in_ipv4(const Ends &ends, const Frame &icmp) {
    Writer ip;
    ip.u8(0x45).u8(0).u16(20 + static_cast<unsigned>(icmp.size())).u16(0).u16(0x4000); // DF
    ip.u8(echo_hops).u8(IPPROTO_ICMP).u16(0).ip(ends.own_ip).ip(ends.peer_ip);
    put16(ip.frame, 10, checksum(ip.frame));
    Writer out;
    out.bytes(ends.peer.bytes).bytes(ends.own.bytes).u16(ETH_P_IP).bytes(ip.frame).bytes(icmp);
    put16(out.frame, ETH_HLEN + 20 + 2, checksum(icmp));
    return out.frame;
}

Frame in_ipv6(const Ends &ends, const Frame &icmp, uint8_t hops) {
    auto size = static_cast<unsigned>(icmp.size());
    Writer out, pseudo;
    out.bytes(ends.peer.bytes).bytes(ends.own.bytes).u16(ETH_P_IPV6);
    out.u16(0x6000).u16(0).u16(size).u8(IPPROTO_ICMPV6).u8(hops);
    out.ip(ends.own_ip).ip(ends.peer_ip).bytes(icmp);
    pseudo.ip(ends.own_ip).ip(ends.peer_ip).u16(0).u16(size).u16(0).u16(IPPROTO_ICMPV6);
    pseudo.bytes(icmp);
    put16(out.frame, ETH_HLEN + 40 + 2, checksum(pseudo.frame));
    return out.frame;
}

/// An IGMP message with its checksum still zero, with the router alert option.
Frame in_igmp(const Mac &own, const Address &own_ip, const Address &to, const Frame &igmp) {
    Writer ip;
    ip.u8(0x46).u8(0xc0).u16(24 + static_cast<unsigned>(igmp.size())).u16(0).u16(0x4000);
    ip.u8(1).u8(IPPROTO_IGMP).u16(0).ip(own_ip).ip(to).u16(0x9404).u16(0);
    put16(ip.frame, 10, checksum(ip.frame));
    const auto &b = to.bytes;
    Mac mac{{0x01, 0x00, 0x5e, static_cast<uint8_t>(b[1] & 0x7f), b[2], b[3]}};
    Writer out;
    out.bytes(mac.bytes).bytes(own.bytes).u16(ETH_P_IP).bytes(ip.frame).bytes(igmp);
    put16(out.frame, ETH_HLEN + 24 + 2, checksum(igmp));
    return out.frame;
}

/// An MLD message with its checksum still zero, with the router alert option.
Frame in_mld(const Mac &own, const Address &own_ip, const Address &to, const Frame &mld) {
    auto size = static_cast<unsigned>(mld.size());
    Mac mac{{0x33, 0x33, to.bytes[12], to.bytes[13], to.bytes[14], to.bytes[15]}};
    Writer out, pseudo;
    out.bytes(mac.bytes).bytes(own.bytes).u16(ETH_P_IPV6);
    out.u16(0x6000).u16(0).u16(8 + size).u8(IPPROTO_HOPOPTS).u8(1).ip(own_ip).ip(to);
    out.u8(IPPROTO_ICMPV6).u8(0).u16(0x0502).u16(0).u16(0x0100).bytes(mld);
    pseudo.ip(own_ip).ip(to).u16(0).u16(size).u16(0).u16(IPPROTO_ICMPV6).bytes(mld);
    put16(out.frame, ETH_HLEN + 40 + 8 + 2, checksum(pseudo.frame));
    return out.frame;
}

Frame arp(const Mac &to, uint16_t ethertype, unsigned operation, const Ends &ends) {
    Writer out;
    out.bytes(to.bytes).bytes(ends.own.bytes).u16(ethertype);
    out.u16(1).u16(ETH_P_IP).u8(ETH_ALEN).u8(4).u16(operation);
    out.bytes(ends.own.bytes).ip(ends.own_ip).bytes(ends.peer.bytes).ip(ends.peer_ip);
    return out.frame;
}

} // namespace

Frame echo_request(const Ends &ends, uint16_t id, const Nonce &nonce) {
    bool six = ends.peer_ip.six;
    Writer icmp;
    icmp.u8(six ? ICMPV6_ECHO_REQUEST : ICMP_ECHO).u8(0).u16(0).u16(id).u16(1).bytes(nonce);
    return six ? in_ipv6(ends, icmp.frame, echo_hops) : in_ipv4(ends, icmp.frame);
}

Frame arp_request(const Ends &ends, bool probe) {
    Ends in = ends;
    in.peer = {};
    if (probe) in.own_ip = {};
    return arp(ends.peer.empty() ? everybody : ends.peer, ETH_P_ARP, 1, in);
}

Frame neighbour_solicitation(const Ends &ends, bool probe) {
    Writer icmp;
    icmp.u8(neighbour_solicit).u8(0).u16(0).u16(0).u16(0).ip(ends.peer_ip);
    if (!probe) icmp.u8(option_source_mac).u8(1).bytes(ends.own.bytes);
    if (!probe && !ends.peer.empty()) return in_ipv6(ends, icmp.frame, nd_hops);
    Ends to = ends;
    if (probe) to.own_ip = Address{true, {}};
    to.peer_ip = solicited_node;
    std::ranges::copy_n(ends.peer_ip.bytes.begin() + 13, 3, to.peer_ip.bytes.begin() + 13);
    const auto &group = to.peer_ip.bytes;
    if (to.peer.empty()) to.peer = {{0x33, 0x33, group[12], group[13], group[14], group[15]}};
    return in_ipv6(to, icmp.frame, nd_hops);
}

Frame broadcast_announcement(const Mac &own, const Address &ip) {
    if (!ip.six) return arp(everybody, ETH_P_ARP, 1, {own, {}, ip, ip});
    Writer icmp;
    icmp.u8(neighbour_advert).u8(0).u16(0).u16(0x2000).u16(0).ip(ip); // override
    icmp.u8(option_target_mac).u8(1).bytes(own.bytes);
    return in_ipv6({own, all_nodes_mac, ip, all_nodes}, icmp.frame, nd_hops);
}

Frame broadcast_presence(const Mac &own) {
    return arp(everybody, ETH_P_RARP, 3, {own, own, {}, {}});
}

Frame group_report(const Mac &own, const Address &own_ip, std::span<const Address> groups) {
    constexpr uint8_t mode_is_exclude = 2; // no source: all of them
    bool six = groups.front().six;
    Writer out;
    out.u8(six ? mld2_report : igmp3_report).u8(0).u16(0).u16(0);
    out.u16(static_cast<unsigned>(groups.size()));
    for (const Address &group : groups)
        out.u8(mode_is_exclude).u8(0).u16(0).ip(group);
    return six ? in_mld(own, own_ip, mld2_routers, out.frame)
               : in_igmp(own, own_ip, igmp3_routers, out.frame);
}

Frame old_group_report(const Mac &own, const Address &own_ip, const Address &group,
                       unsigned version) {
    Writer out;
    out.u8(version == 1 ? igmp1_report : igmp2_report).u8(0).u16(0).ip(group);
    return in_igmp(own, own_ip, group, out.frame);
}

void put_tags(Frame &frame, std::span<const VlanTag> tags) {
    constexpr ptrdiff_t behind_macs = 2 * ETH_ALEN;
    Writer out;
    for (const VlanTag &tag : tags)
        out.u16(tag.protocol).u16(tag.id);
    frame.insert(frame.begin() + behind_macs, out.frame.begin(), out.frame.end());
}

std::optional<Nonce> nonce_of_reply(Bytes icmp, uint16_t id, bool six) {
    Nonce nonce;
    uint8_t type = six ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
    if (icmp.size() < 8 + nonce.size() || icmp[0] != type || at16(icmp, 4) != id)
        return std::nullopt;
    std::ranges::copy(icmp.subspan(8, nonce.size()), nonce.begin());
    return nonce;
}

std::optional<Claim> arp_reply(Bytes frame) {
    constexpr size_t at = ETH_HLEN;
    if (frame.size() < at + 28 || at16(frame, 12) != ETH_P_ARP || at16(frame, at + 6) != 2)
        return std::nullopt;
    Claim out{};
    std::ranges::copy(frame.subspan(at + 8, 6), out.sender.bytes.begin());
    std::ranges::copy(frame.subspan(at + 14, 4), out.sender_ip.bytes.begin());
    out.to_probe = std::ranges::all_of(frame.subspan(at + 24, 4), [](uint8_t b) { return !b; });
    return out;
}

std::optional<Claim> neighbour_advertisement(Bytes icmp) {
    constexpr uint8_t solicited = 0x40; // by somebody with an address
    if (icmp.size() < 24 || icmp[0] != neighbour_advert || icmp[1]) return std::nullopt;
    Claim out{{}, {true, {}}, !(icmp[4] & solicited)};
    std::ranges::copy(icmp.subspan(8, 16), out.sender_ip.bytes.begin());
    return out;
}

} // namespace hitless
