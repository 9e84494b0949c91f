// SPDX-License-Identifier: BSD-2-Clause
//
// Frames as data. Apart from datapath.hpp because libpcap, which libtins includes, and linux/bpf.h
// each define a struct bpf_insn.
#pragma once

#include "tests/bpf/lab.hpp"

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

Frame arp_request(const Mac &from);
Frame neighbour_solicitation(const Mac &from);
Frame udp(const Mac &to, const Mac &from, size_t payload);

} // namespace hitless::test
