// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/ethtool.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hitless {

// Any family takes this ioctl; AF_UNIX is one that a confined service has anyway.
Ethtool::Ethtool() : control_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!control_) throw Error(errno, "open a socket for ethtool requests");
}

bool Ethtool::ask(const std::string &ifname, void *command) const {
    ifreq request{};
    memcpy(request.ifr_name, ifname.data(), std::min<size_t>(ifname.size(), IFNAMSIZ - 1));
    request.ifr_data = static_cast<char *>(command);
    return ioctl(control_.get(), SIOCETHTOOL, &request) == 0;
}

std::string Ethtool::driver(const std::string &ifname) const {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    return ask(ifname, &info) ? info.driver : "";
}

uint32_t Ethtool::speed(const std::string &ifname) const {
    ethtool_cmd settings{};
    settings.cmd = ETHTOOL_GSET;
    if (!ask(ifname, &settings)) return 0;
    uint32_t speed = ethtool_cmd_speed(&settings);
    return speed == static_cast<uint32_t>(SPEED_UNKNOWN) ? 0 : speed;
}

uint32_t Ethtool::flags(const std::string &ifname) const {
    ethtool_value value{ETHTOOL_GFLAGS, 0};
    return ask(ifname, &value) ? value.data : 0;
}

void Ethtool::set(const std::string &ifname, uint32_t command, uint32_t value) const {
    ethtool_value change{command, value};
    if (!ask(ifname, &change)) throw Error(errno, fmt::format("change an offload of {}", ifname));
}

} // namespace hitless
