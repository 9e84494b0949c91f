// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/native_xdp.hpp"
#include "loader/core/shell_quoted.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

// A page less the kernel's room before (256) and behind (320) a frame, and the Ethernet and VLAN
// headers; what is longer comes in pieces. Drivers' own limits lie between this and a page.
constexpr uint32_t longest_in_one_piece = 3498;

bool one_of(const std::string &driver, std::initializer_list<std::string_view> drivers) {
    return std::ranges::find(drivers, driver) != drivers.end();
}

Refusal no_native(const NicAbilities &nic) {
    return {fmt::format("its driver {} has no native XDP", nic.driver), ""};
}

Refusal too_long(const NicAbilities &nic, const char *what) {
    return {fmt::format("its driver {} {} XDP frames in one piece only, and MTU {} needs several",
                        nic.driver, what, nic.mtu),
            fmt::format("ip link set {} mtu {}", shell_quoted(nic.name), longest_in_one_piece)};
}

} // namespace

std::optional<Refusal> why_no_native_receive(const NicAbilities &nic, bool finished) {
    if (nic.xdp && !nic.xdp->receive) return no_native(nic);
    if (!nic.xdp && one_of(nic.driver, {"e1000", "e1000e", "igbvf", "8139cp", "r8169"}))
        return no_native(nic);
    if (one_of(nic.driver, {"veth", "tun"}) && !finished)
        return Refusal{
            fmt::format("{} hands on frames whose checksum and VLAN tag the other end left undone, "
                        "and XDP would lose them",
                        nic.driver == "tun" ? "a tap" : "veth"),
            "`ethtool -K OTHER-END tx off txvlan off`, then attach with --checksums-complete"};
    if (nic.strips_vlan && !one_of(nic.driver, {"veth", "tun"}))
        return Refusal{"it takes VLAN tags out of received frames, and XDP would lose them",
                       fmt::format("ethtool -K {} rxvlan off", shell_quoted(nic.name))};
    if (nic.merges)
        return Refusal{"it merges received frames (LRO), and XDP would lose them",
                       fmt::format("ethtool -K {} lro off", shell_quoted(nic.name))};
    if (nic.mtu > longest_in_one_piece && nic.xdp && !nic.xdp->receive_pieces)
        return too_long(nic, "receives");
    return std::nullopt;
}

std::optional<Refusal> why_no_native_send(const NicAbilities &nic) {
    if (!nic.xdp) return std::nullopt; // drivers before 6.3 that receive also send
    if (!nic.xdp->send) {
        if (nic.driver == "veth")
            return Refusal{"its other end takes no XDP frames", "ethtool -K OTHER-END gro on"};
        return Refusal{fmt::format("its driver {} sends no XDP frames", nic.driver), ""};
    }
    if (nic.mtu > longest_in_one_piece && !nic.xdp->send_pieces) return too_long(nic, "sends");
    return std::nullopt;
}

std::optional<Refusal> why_no_gate(const NicAbilities &nic) {
    if (auto refusal = why_no_native_receive(nic, true)) return refusal;
    if (nic.driver == "virtio_net")
        return Refusal{"virtio_net gives up checksum and segmentation offload while a program is "
                       "attached, for every frame",
                       ""};
    if (nic.driver == "veth")
        return Refusal{"veth gives up segmentation offload while a program is attached, for every "
                       "frame",
                       ""};
    return std::nullopt;
}

} // namespace hitless
