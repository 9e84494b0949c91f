// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/driver.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hitless {

void learn_drivers(std::vector<Link> &links) {
    Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!control) throw Error(errno, "open a socket for ethtool requests");
    for (Link &link : links) {
        if (link.bus.empty()) continue;
        ethtool_drvinfo info{};
        info.cmd = ETHTOOL_GDRVINFO;
        ifreq request{};
        memcpy(request.ifr_name, link.name.data(), std::min<size_t>(link.name.size(), IFNAMSIZ - 1));
        request.ifr_data = reinterpret_cast<char *>(&info);
        // A device that vanished since the dump has no driver.
        if (ioctl(control.get(), SIOCETHTOOL, &request) == 0) link.driver = info.driver;
    }
}

} // namespace hitless
