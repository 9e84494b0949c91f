// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/witness.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hitless::cli::demo {

std::string Seen::text() const {
    return present ? fmt::format("{}, carrier {}", up ? "up" : "down", carrier ? 1 : 0) : "absent";
}

Seen look(const testbed::Netns &ns, const std::string &ifname) {
    const Fd socket =
        testbed::in_netns(ns, [] { return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
    ifreq request{};
    ifname.copy(request.ifr_name, IFNAMSIZ - 1);
    if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
        if (errno == ENODEV) return {};
        throw Error(errno, fmt::format("look at {} in {}", ifname, ns.name()));
    }
    Seen seen{.present = true, .up = (request.ifr_flags & IFF_UP) != 0};
    // IFF_RUNNING follows the announcement; this asks the device.
    ethtool_value link{.cmd = ETHTOOL_GLINK, .data = 0};
    request.ifr_data = reinterpret_cast<char *>(&link);
    seen.carrier = ioctl(socket.get(), SIOCETHTOOL, &request) == 0 && link.data != 0;
    return seen;
}

std::map<std::string, Counts> device_counts() {
    std::map<std::string, Counts> out;
    std::ifstream table("/proc/thread-self/net/dev");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string name;
        std::uint64_t value[12] = {};
        if (!std::getline(fields >> std::ws, name, ':')) continue;
        for (std::uint64_t &v : value)
            fields >> v;
        // bytes, packets, errs, drop, ... : eight of them received, then the same sent
        if (fields) out[name] = {.rx = value[1], .tx = value[9], .refused = value[11]};
    }
    return out;
}

std::uint64_t backlog_drops() {
    std::ifstream table("/proc/net/softnet_stat");
    std::uint64_t sum = 0, processed = 0, dropped = 0;
    for (std::string line; table >> std::hex >> processed >> dropped; std::getline(table, line))
        sum += dropped;
    return sum;
}

} // namespace hitless::cli::demo
