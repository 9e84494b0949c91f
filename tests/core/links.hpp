// SPDX-License-Identifier: BSD-2-Clause
//
// Links as rtnetlink would tell them, in one line each.
//
//   std::vector<Link> links = {virtio(2, "eth0", mac_a), vf(3, "eth1", mac_a)};
#pragma once

#include "loader/core/types.hpp"

#include <utility>

namespace hitless::test {

inline constexpr Mac mac_a{{0x52, 0x54, 0, 0, 0, 0x0a}};
inline constexpr Mac mac_b{{0x52, 0x54, 0, 0, 0, 0x0b}};

inline Link nic(uint32_t index, std::string name, Mac mac) {
    Link link;
    link.index = Ifindex{index};
    link.name = std::move(name);
    link.mac = mac;
    link.mtu = 1500;
    link.up = link.carrier = link.ethernet = true;
    return link;
}

inline Link virtio(uint32_t index, std::string name, Mac mac) {
    Link link = nic(index, std::move(name), mac);
    link.bus = "virtio/virtio" + std::to_string(index);
    link.driver = "virtio_net";
    return link;
}

inline Link vf(uint32_t index, std::string name, Mac mac) {
    Link link = nic(index, std::move(name), mac);
    link.bus = "pci/0000:00:0" + std::to_string(index) + ".0";
    link.perm_mac = mac;
    link.driver = "iavf";
    return link;
}

inline Link of_kind(Link link, std::string kind) {
    link.kind = std::move(kind);
    link.bus.clear();
    link.driver.clear();
    return link;
}

inline Link enslaved(Link link, uint32_t master, std::string kind = "") {
    link.master = Ifindex{master};
    link.master_kind = std::move(kind);
    return link;
}

inline Link loopback() {
    Link link = nic(1, "lo", Mac{});
    link.loopback = true;
    link.ethernet = false;
    return link;
}

} // namespace hitless::test
