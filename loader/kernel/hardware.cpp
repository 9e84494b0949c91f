// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/hardware.hpp"
#include "loader/kernel/ethtool.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
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

} // namespace

void learn_hardware(std::vector<Link> &links) {
    if (std::ranges::all_of(links, &std::string::empty, &Link::bus)) return;
    Ethtool ethtool;
    std::map<std::string, std::string> slots = read_slots();
    for (Link &link : links) {
        if (link.bus.empty()) continue;
        link.driver = ethtool.driver(link.name);
        if (!link.on_pci()) continue;
        std::string device = link.bus.substr(4, link.bus.rfind('.') - 4);
        if (auto slot = slots.find(device); slot != slots.end()) link.slot = slot->second;
    }
}

bool answers_on_bus(const std::string &bus) {
    if (!bus.starts_with("pci/")) return true;
    std::string path = "/sys/bus/pci/devices/" + bus.substr(4) + "/config";
    Fd config(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    uint16_t vendor = 0;
    // Not to be able to look is not to find nothing.
    if (!config || pread(config.get(), &vendor, sizeof(vendor), 0) != sizeof(vendor)) return true;
    return vendor != 0xffff;
}

std::optional<uint32_t> link_speed(const std::string &ifname) {
    uint32_t speed = Ethtool().speed(ifname);
    return speed ? std::optional(speed) : std::nullopt;
}

} // namespace hitless
