// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/nic/hardware.hpp"
#include "loader/kernel/fd.hpp"
#include "loader/kernel/nic/ethtool.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>

namespace hitless {
namespace {

constexpr auto slots_dir = "/sys/bus/pci/slots";

/// Slot names by the address of what they hold, without the function: "0000:00:04" -> "4".
std::map<std::string, std::string> read_slots() {
    std::map<std::string, std::string> out;
    std::error_code missing; // a machine without hotplug slots has no such directory
    for (const auto &slot : std::filesystem::directory_iterator(slots_dir, missing)) {
        std::string address;
        if (std::ifstream(slot.path() / "address") >> address)
            out[address] = slot.path().filename();
    }
    return out;
}

/// A short line of a PCI device's directory; "" when it has none. The bus is not namespaced.
std::string fact(const std::string &address, const char *name) {
    std::string text;
    std::ifstream("/sys/bus/pci/devices/" + address + "/" + name) >> text;
    return text;
}

// VIRTIO_NET_F_STANDBY of include/uapi/linux/virtio_net.h, a digit a feature
constexpr size_t failover_feature = 62;

} // namespace

bool offers_failover(const std::string &bus) {
    if (!bus.starts_with("virtio/")) return false;
    std::ifstream file("/sys/bus/virtio/devices/" + bus.substr(7) + "/features");
    std::string bits;
    file >> bits;
    return bits.size() > failover_feature && bits[failover_feature] == '1';
}

void learn_hardware(std::vector<Link> &links) {
    if (std::ranges::all_of(links, &std::string::empty, &Link::bus)) return;
    Ethtool ethtool;
    std::map<std::string, std::string> slots = read_slots();
    for (Link &link : links) {
        if (link.bus.empty()) continue;
        link.driver = ethtool.driver(link.name);
        link.failover = offers_failover(link.bus);
        if (!link.on_pci()) continue;
        link.acpi_index = fact(link.bus.substr(4), "acpi_index");
        if (link.acpi_index.empty()) link.acpi_index = fact(link.bus.substr(4), "index");
        std::string device = link.bus.substr(4, link.bus.rfind('.') - 4);
        if (auto slot = slots.find(device); slot != slots.end()) link.slot = slot->second;
    }
}

bool answers_on_bus(const std::string &bus) {
    if (!bus.starts_with("pci/")) return true;
    std::string device = "/sys/bus/pci/devices/" + bus.substr(4);
    // A virtual function has no vendor in its own configuration space (PCIe 9.3.4.1.1); only a
    // hypervisor that hands it to a guest puts one there.
    std::error_code none;
    if (std::filesystem::exists(device + "/physfn", none)) return true;
    std::string path = device + "/config";
    Fd config(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    uint16_t vendor = 0;
    // Not to be able to look is not to find nothing.
    if (!config || pread(config.get(), &vendor, sizeof(vendor), 0) != sizeof(vendor)) return true;
    return vendor != 0xffff;
}

std::optional<uint64_t> bytes_in_flight(const Link &link) {
    if (!link.on_pci()) return std::nullopt;
    std::optional<uint64_t> out;
    std::error_code none;
    const std::string queues =
        "/sys/bus/pci/devices/" + link.bus.substr(4) + "/net/" + link.name + "/queues";
    for (const auto &queue : std::filesystem::directory_iterator(queues, none)) {
        uint64_t bytes = 0;
        if (std::ifstream(queue.path() / "byte_queue_limits/inflight") >> bytes)
            out = out.value_or(0) + bytes;
    }
    return out;
}

uint32_t slot_number(const std::string &bus) {
    if (!bus.starts_with("pci/")) return 0;
    const std::map<std::string, std::string> slots = read_slots();
    auto slot = slots.find(bus.substr(4, bus.rfind('.') - 4));
    uint32_t out = 0;
    if (slot != slots.end())
        std::from_chars(slot->second.data(), slot->second.data() + slot->second.size(), out);
    return out;
}

std::optional<uint32_t> link_speed(const std::string &ifname) {
    uint32_t speed = Ethtool().speed(ifname);
    return speed ? std::optional(speed) : std::nullopt;
}

} // namespace hitless
