// SPDX-License-Identifier: BSD-2-Clause
//
// The few frames that we say ourselves, byte for byte, and what of an answer must be checked. All
// are unicast unless their name says otherwise, and minimal: 60 bytes on the wire (IPv6: 78).
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace hitless {

using Frame = std::vector<uint8_t>;
using Bytes = std::span<const uint8_t>;
using Nonce = std::array<uint8_t, 16>;

/// The two ends of a frame.
struct Ends {
    Mac own, peer; ///< an empty peer: not known; a question goes to everybody who may be it
    Address own_ip, peer_ip; ///< of one family
};

/// ICMP or ICMPv6 echo request (RFC 792, 4443) whose payload is the nonce.
Frame echo_request(const Ends &, uint16_t id, const Nonce &);

/// ARP request (RFC 826); `probe`: without a sender address (RFC 5227), so that nobody learns from
/// it and the answer differs.
Frame arp_request(const Ends &, bool probe);

/// Neighbour solicitation (RFC 4861) to the neighbour itself; `probe`: likewise, as an address is
/// probed for duplicates, but to the neighbour's MAC alone.
Frame neighbour_solicitation(const Ends &, bool probe = false);

/// "This address is here", to everybody: gratuitous ARP or unsolicited neighbour advertisement.
Frame broadcast_announcement(const Mac &own, const Address &);

/// "I am here" without an address (RARP, RFC 903), as hypervisors say it after a migration.
Frame broadcast_presence(const Mac &own);

/// "I am in these groups" (all of one family): IGMPv3 (RFC 3376) or MLDv2 (RFC 3810), current
/// state, from any source.
Frame group_report(const Mac &own, const Address &own_ip, std::span<const Address> groups);

/// The same for a querier of IGMP version 1 or 2, one group a frame.
Frame old_group_report(const Mac &own, const Address &own_ip, const Address &group,
                       unsigned version);

/// Behind the MACs, the outermost first.
void put_tags(Frame &, std::span<const VlanTag>);

/// The nonce of an echo reply to `id`, which starts with its ICMP header; nothing if it is none.
std::optional<Nonce> nonce_of_reply(Bytes icmp, uint16_t id, bool six);

/// "This address is mine": an ARP reply in its Ethernet frame, or a neighbour advertisement, which
/// starts with its ICMP header; nothing if it is none.
struct Claim {
    Mac sender; ///< empty for an advertisement, which need not say it
    Address sender_ip;
    bool to_probe; ///< it answers a request without a sender address
};
std::optional<Claim> arp_reply(Bytes frame);
std::optional<Claim> neighbour_advertisement(Bytes icmp);

} // namespace hitless
