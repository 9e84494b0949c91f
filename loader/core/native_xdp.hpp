// SPDX-License-Identifier: BSD-2-Clause
//
// May frames of this NIC be carried by native XDP without being broken? Pure.
#pragma once

#include "loader/core/types.hpp"

#include <optional>
#include <string>

namespace hitless {

/// What a driver can do in native XDP: enum netdev_xdp_act of the kernel (6.3).
struct XdpFeatures {
    bool receive = false;        ///< runs programs, redirects what it receives
    bool send = false;           ///< takes redirected frames
    bool receive_pieces = false; ///< frames in several pieces (MTU beyond a page)
    bool send_pieces = false;

    bool operator==(const XdpFeatures &) const = default;
};

struct NicAbilities {
    std::string name;
    std::string driver; ///< "igb", "veth", "tun"
    uint32_t mtu = 0;
    std::optional<XdpFeatures> xdp; ///< none: the kernel cannot tell (before 6.3)
    bool strips_vlan = false;       ///< takes VLAN tags out of received frames
    bool merges = false;            ///< LRO
};

/// Why not, in words for people.
struct Refusal {
    std::string why;
    std::string remedy; ///< empty: nothing on this NIC mends it, the next mode is for it
};

/// `finished`: somebody vouches that frames arrive with checksum and VLAN tag in them, although the
/// device is of a kind (veth, tap) that hands on what the other end left undone.
std::optional<Refusal> why_no_native_receive(const NicAbilities &, bool finished);
/// Why redirected frames may not be sent by it; tc sends those then.
std::optional<Refusal> why_no_native_send(const NicAbilities &);
/// Why the gate may not sit there: it must cost the stack no offload.
std::optional<Refusal> why_no_gate(const NicAbilities &);

} // namespace hitless
