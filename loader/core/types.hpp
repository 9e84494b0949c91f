// SPDX-License-Identifier: BSD-2-Clause
//
// The words of the project as types: an int never means two things.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hitless {

/// A device number in one network namespace; none is 0.
enum class Ifindex : uint32_t { none = 0 };
constexpr uint32_t number(Ifindex i) {
    return static_cast<uint32_t>(i);
}

/// CLOCK_BOOTTIME: does not jump with the wall clock and goes on during suspend.
using Instant = std::chrono::nanoseconds;

struct Mac {
    std::array<uint8_t, 6> bytes{};

    auto operator<=>(const Mac &) const = default;
    bool empty() const { return *this == Mac{}; }
    std::string text() const;
    static std::optional<Mac> parse(std::string_view text);
};

/// As it stands in a frame: TPID and VLAN id, host order. Zeroes: none.
struct VlanTag {
    uint16_t protocol = 0, id = 0;
    bool operator==(const VlanTag &) const = default;
};

/// A network device as rtnetlink tells it (see kernel/netlink/rtnl.hpp), at one moment.
struct Link {
    Ifindex index = Ifindex::none;
    std::string name;
    Mac mac;
    Mac perm_mac;           ///< empty when the device has none
    std::string kind;       ///< "veth", "tun", "bond", ...; empty for hardware
    std::string bus;        ///< "pci/0000:00:04.0"; empty for virtual devices
    std::string driver;     ///< "e1000e"; filled on demand (kernel/nic/hardware.hpp)
    std::string slot;       ///< PCI slot name, as hypervisors number them; likewise
    std::string acpi_index; ///< the firmware's number of it (acpi_index, else index); likewise
    std::string port_id;    ///< phys_port_id in hexadecimal digits
    std::string switch_id;  ///< phys_switch_id, likewise
    Ifindex master = Ifindex::none;
    std::string master_kind; ///< "bridge", "vrf", ...; empty: of the kernel's own, netvsc for one
    Ifindex lower = Ifindex::none; ///< what a VLAN or macvlan stands on, in this namespace
    Ifindex peer = Ifindex::none;  ///< the same in another namespace: the other end of a veth, say
    VlanTag vlan;                  ///< of a VLAN device
    uint32_t mtu = 0;
    uint64_t tx_dropped = 0; ///< frames that it was given and did not send
    uint32_t tx_queue_len = 0;
    uint32_t promiscuity = 0; ///< how many want it promiscuous
    bool promisc = false;     ///< the flag: somebody set it by hand
    bool allmulti = false;
    bool forwards = false;     ///< it routes what it receives, by IPv4 or IPv6
    uint8_t arp_ignore = 0;    ///< net.ipv4.conf.NAME.arp_ignore
    uint8_t addr_gen_mode = 0; ///< IN6_ADDR_GEN_MODE_*
    bool has_ipv6 = false;     ///< not where the kernel has none, or the MTU is below 1280
    uint64_t tx_packets = 0;   ///< as its driver counts them
    uint64_t rx_packets = 0;   ///< likewise
    bool up = false;           ///< administratively
    bool carrier = false;
    bool loopback = false;
    bool ethernet = false;
    bool failover = false; ///< VIRTIO_NET_F_STANDBY: the kernel's net_failover takes it

    bool on_pci() const { return bus.starts_with("pci/"); }
    bool usable() const { return up && carrier; }
};

/// An IPv4 or IPv6 address in network byte order; IPv4 uses the first four bytes.
struct Address {
    bool six = false;
    std::array<uint8_t, 16> bytes{};
    auto operator<=>(const Address &) const = default;
};

/// A neighbour whose MAC the kernel knows.
struct Neighbour {
    Mac mac;
    Address ip;
    bool router = false;
    bool permanent = false; ///< somebody wrote it down
    uint32_t confirmed = 0; ///< USER_HZ ticks since it was last known to be there
};

} // namespace hitless
