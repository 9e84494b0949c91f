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
