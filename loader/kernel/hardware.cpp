// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/hardware.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <map>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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

/// False for a device that vanished since it was listed.
bool ethtool(int control, const std::string &name, void *command) {
    ifreq request{};
    memcpy(request.ifr_name, name.data(), std::min<size_t>(name.size(), IFNAMSIZ - 1));
    request.ifr_data = static_cast<char *>(command);
    return ioctl(control, SIOCETHTOOL, &request) == 0;
}

std::string driver_of(int control, const std::string &name) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ethtool(control, name, &info) ? info.driver : "";
}

Fd control_socket() {
    Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!control) throw Error(errno, "open a socket for ethtool requests");
    return control;
}

} // namespace

void learn_hardware(std::vector<Link> &links) {
    if (std::ranges::all_of(links, &std::string::empty, &Link::bus)) return;
    Fd control = control_socket();
    std::map<std::string, std::string> slots = read_slots();
    for (Link &link : links) {
        if (link.bus.empty()) continue;
        link.driver = driver_of(control.get(), link.name);
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
    ethtool_cmd settings{};
    settings.cmd = ETHTOOL_GSET;
    if (!ethtool(control_socket().get(), ifname, &settings)) return std::nullopt;
    uint32_t speed = ethtool_cmd_speed(&settings);
    return speed && speed != static_cast<uint32_t>(SPEED_UNKNOWN) ? std::optional(speed)
                                                                  : std::nullopt;
}

} // namespace hitless
