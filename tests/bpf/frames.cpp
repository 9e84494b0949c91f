// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/frames.hpp"

#include <algorithm>
#include <tins/tins.h>

namespace hitless::test {
namespace {

constexpr size_t header = 14;
constexpr uint16_t experimental = 0x88b5; // IEEE Std 802 local experimental ethertype

Tins::HWAddress<6> address(const Mac &mac) {
    return Tins::HWAddress<6>(mac.data());
}

} // namespace

Frame frame(const Mac &to, const Mac &from, size_t size, uint64_t content) {
    Tins::EthernetII eth(address(to), address(from));
    eth.payload_type(experimental);
    std::vector<uint8_t> payload(size > header ? size - header : 0);
    for (size_t i = 0; i < payload.size(); i++)
        payload[i] = static_cast<uint8_t>(i < sizeof(content) ? content >> 8 * i : i);
    if (!payload.empty()) eth /= Tins::RawPDU(payload);
    Frame bytes = eth.serialize();
    bytes.resize(size); // libtins pads to 60
    return bytes;
}

Frame tagged(const Mac &to, const Mac &from, std::initializer_list<uint16_t> vlans,
             uint64_t content) {
    Frame bytes = frame(to, from, 64, content);
    for (uint16_t vlan : vlans) {
        const uint8_t tag[] = {0x81, 0x00, static_cast<uint8_t>(vlan >> 8),
                               static_cast<uint8_t>(vlan)};
        bytes.insert(bytes.begin() + 12, std::begin(tag), std::end(tag));
    }
    return bytes;
}

namespace {

void put16(Frame &to, size_t value) {
    to.push_back(static_cast<uint8_t>(value >> 8));
    to.push_back(static_cast<uint8_t>(value));
}

size_t transport_header(uint8_t protocol) {
    return protocol == 6 ? 20 : protocol == 58 ? 4 : 8;
}

size_t network_header(const Packet &p) {
    return p.kind == Packet::ipv6 ? 40 + 8 * p.options : 20 + 4 * p.options;
}

size_t payload_at(const Packet &p) {
    return header + 4 * p.tags.size();
}

void put_ip(Frame &to, const Packet &p) {
    const size_t body = transport_header(p.protocol) + p.payload;
    if (p.kind == Packet::ipv4) {
        to.insert(to.end(), {static_cast<uint8_t>(0x45 + p.options), 0});
        put16(to, network_header(p) + body);
        put16(to, p.content);
        put16(to, p.fragment);
        to.insert(to.end(), {64, p.protocol, 0x12, 0x34, 192, 0, 2, 1, 224, 0, 0, 9});
        to.insert(to.end(), 4 * p.options, 1);
    } else {
        to.insert(to.end(), {0x60, 0, 0, 0});
        put16(to, 8 * p.options + body);
        to.insert(to.end(), {p.options ? uint8_t{0} : p.protocol, 255});
        to.insert(to.end(), 32, 0xfd);
        for (size_t i = 1; i <= p.options; i++)
            to.insert(to.end(), {i == p.options ? p.protocol : uint8_t{60}, 0, 1, 4, 0, 0, 0, 0});
    }
    for (size_t i = 0; i < body; i++)
        to.push_back(static_cast<uint8_t>(i < 8 ? p.content >> 8 * i : i));
}

} // namespace

size_t checksum_at(const Packet &p) {
    if (p.kind > Packet::ipv6 || p.fragment & 0x1fff) return 0;
    const size_t in_header = p.protocol == 6 ? 16 : p.protocol == 17 ? 6 : p.protocol == 58 ? 2 : 0;
    return in_header ? payload_at(p) + network_header(p) + in_header : 0;
}

Frame built(const Mac &to, const Mac &from, const Packet &p) {
    constexpr uint16_t types[] = {0x0800, 0x86dd, 0x0806, experimental};
    Frame bytes(to.begin(), to.end());
    bytes.insert(bytes.end(), from.begin(), from.end());
    for (uint16_t tag : p.tags) {
        put16(bytes, 0x8100);
        put16(bytes, tag);
    }
    put16(bytes, types[p.kind]);
    if (p.kind == Packet::arp) {
        bytes.insert(bytes.end(), {0, 1, 8, 0, 6, 4, 0, 1});
        for (size_t i = 0; i < 20; i++)
            bytes.push_back(static_cast<uint8_t>(i < 8 ? p.content >> 8 * i : i));
    } else if (p.kind == Packet::other) {
        for (size_t i = 0; i < p.payload; i++)
            bytes.push_back(static_cast<uint8_t>(i < 8 ? p.content >> 8 * i : i + 1));
    } else {
        put_ip(bytes, p);
    }
    if (size_t at = checksum_at(p)) bytes[at] = 0xbe, bytes[at + 1] = 0xef;
    return bytes;
}

Frame arp_request(const Mac &from) {
    return Tins::ARP::make_arp_request("192.0.2.1", "192.0.2.2", address(from)).serialize();
}

Frame neighbour_solicitation(const Mac &from) {
    Tins::ICMPv6 icmp(Tins::ICMPv6::NEIGHBOUR_SOLICIT);
    icmp.target_addr("2001:db8::1");
    auto packet = Tins::EthernetII(address({0x33, 0x33, 0xff, 0, 0, 1}), address(from)) /
                  Tins::IPv6("ff02::1:ff00:1", "::") / icmp;
    return packet.serialize();
}

Frame udp(const Mac &to, const Mac &from, size_t payload) {
    auto packet = Tins::EthernetII(address(to), address(from)) /
                  Tins::IP("192.0.2.1", "192.0.2.2") / Tins::UDP(7, 9) /
                  Tins::RawPDU(std::vector<uint8_t>(payload, 0x5a));
    return packet.serialize();
}

} // namespace hitless::test
