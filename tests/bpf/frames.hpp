// SPDX-License-Identifier: BSD-2-Clause
//
// Frames as data. Apart from datapath.hpp because libpcap, which libtins includes, and linux/bpf.h
// each define a struct bpf_insn.
#pragma once

#include "tests/bpf/bed.hpp"

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace hitless::test {

using Frame = std::vector<uint8_t>;

/// An Ethernet frame of exactly `size` bytes; frames of different `content` differ in their bytes.
Frame frame(const Mac &to, const Mac &from, size_t size = 64, uint64_t content = 0);

/// The same inside an 802.1Q tag (or two), which adds 4 bytes each.
Frame tagged(const Mac &to, const Mac &from, std::initializer_list<uint16_t> vlans,
             uint64_t content = 0);

/// What a network or a NIC may change of a frame without making it another one.
struct Packet {
    enum Kind { ipv4, ipv6, arp, other } kind = ipv4;
    uint8_t protocol = 17;        ///< of IP
    size_t payload = 20;          ///< bytes behind the transport header, or of `other`
    size_t options = 0;           ///< words of IPv4 options, or extension headers of IPv6
    uint16_t fragment = 0;        ///< offset of IPv4, in units of 8
    std::vector<uint16_t> tags{}; ///< inside the frame, the outer one first
    uint64_t content = 0;
};
/// As it leaves a sender: unpadded, its transport checksum 0xbeef.
Frame built(const Mac &to, const Mac &from, const Packet &);
/// Where the transport checksum is; 0: nowhere, or nobody leaves it unfinished.
size_t checksum_at(const Packet &);

Frame arp_request(const Mac &from);
Frame neighbour_solicitation(const Mac &from);
Frame udp(const Mac &to, const Mac &from, size_t payload);

} // namespace hitless::test
