// SPDX-License-Identifier: BSD-2-Clause
//
// Other people's programs: tcx and XDP, of which a test knows exactly what they do.
//
//   const Fd link = attach_tcx(guest, "standby", TcxEgress, returning(tcx_pass).get());
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/netns.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace hitless::selftest {

constexpr int tcx_next = -1, tcx_pass = 0, tcx_drop = 2;
enum class TcxSide : std::uint32_t { ingress = 46, egress = 47 };
enum class TcxOrder : std::uint32_t { last = 0, first = 1u << 3 };

/// A tc program that says the same of every frame; with `port`, only of UDP over IPv4 to it, and
/// tcx_next of others.
Fd tc_program(int verdict, std::uint16_t port = 0, const std::string &name = "others");
/// The same of frames of one EtherType alone.
Fd tc_program_for(std::uint16_t ethertype, int verdict, const std::string &name);
/// One that drops this part of the frames of one EtherType, chosen at random, and of no other.
Fd tc_loser(std::uint16_t ethertype, int percent, const std::string &name);
/// One that passes every frame on, with a mark of its own in tc_index.
Fd tc_index_writer(const std::string &name);
/// The link is the program's owner; nothing, and errno, where the kernel refuses.
Fd attach_tcx(const testbed::Netns &, const std::string &ifname, TcxSide, int program,
              TcxOrder = TcxOrder::last);
/// Ids of what runs there, in order.
std::vector<std::uint32_t> tcx_programs(const testbed::Netns &, const std::string &ifname, TcxSide);
std::uint32_t program_id(int program);

/// An XDP program that passes or drops every frame; with `port`, drops only UDP over IPv4 to it.
Fd xdp_program(bool drops, std::uint16_t port = 0);
/// By netlink, so it stays until it is taken off (-1). False, and errno, where the kernel refuses.
bool set_xdp(const testbed::Netns &, const std::string &ifname, int program, bool generic = false);

} // namespace hitless::selftest
