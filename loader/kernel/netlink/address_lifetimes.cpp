// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/address_lifetimes.hpp"
#include "loader/kernel/fd.hpp"
#include "loader/kernel/netlink/saved_message.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <set>
#include <sstream>
#include <unistd.h>

namespace hitless {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t for_ever = UINT32_MAX;

bool accepts_advertisements(const std::string &ifname) {
    int value = 0;
    std::ifstream(fmt::format("/proc/sys/net/ipv6/conf/{}/accept_ra", ifname)) >> value;
    return value > 0;
}

/// In hundredths of a second, as the kernel stamps addresses.
uint32_t stamp_of_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint32_t>(now.tv_sec * 100 + now.tv_nsec / 10'000'000);
}

Address local_address(const nlmsghdr *message) {
    Address out;
    out.six = header<ifaddrmsg>(message)->ifa_family == AF_INET6;
    each_of<ifaddrmsg>(message, [&](const nlattr *attr) {
        int type = mnl_attr_get_type(attr);
        // Of a point-to-point link, IFA_ADDRESS is the peer's; IFA_LOCAL comes after it.
        if (type == IFA_LOCAL || type == IFA_ADDRESS)
            std::memcpy(out.bytes.data(), mnl_attr_get_payload(attr),
                        std::min<size_t>(mnl_attr_get_payload_len(attr), out.bytes.size()));
    });
    return out;
}

std::vector<std::vector<char>> addresses_of(Rtnl &rtnl, Ifindex index, uint8_t family) {
    return dump<ifaddrmsg>(rtnl, RTM_GETADDR, family, index, [&](const nlmsghdr *m) {
        return header<ifaddrmsg>(m)->ifa_index == number(index);
    });
}

/// Numbers of the packet sockets on a device; packet(7).
std::set<std::string> sockets_on(Ifindex index) {
    std::ifstream file("/proc/thread-self/net/packet");
    std::set<std::string> out;
    std::string line;
    std::getline(file, line); // the names of the columns
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string address, users, type, protocol, device, running, memory, user, inode;
        words >> address >> users >> type >> protocol >> device >> running >> memory >> user >>
            inode;
        bool hears_ip = protocol == "0003" || protocol == "0800"; // ETH_P_ALL, ETH_P_IP
        if (hears_ip && device == std::to_string(number(index))) out.insert(inode);
    }
    return out;
}

/// The first of `sockets` that a process has open; "" when it has none.
std::string socket_of(const fs::path &process, const std::set<std::string> &sockets) {
    constexpr std::string_view prefix = "socket:[";
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(process / "fd", error)) {
        std::string target = fs::read_symlink(entry.path(), error);
        if (!target.starts_with(prefix)) continue;
        std::string inode = target.substr(prefix.size(), target.size() - prefix.size() - 1);
        if (sockets.contains(inode)) return inode;
    }
    return "";
}

bool only_captures(const std::string &name) {
    static constexpr std::string_view names[] = {"tcpdump", "dumpcap", "tshark", "wireshark"};
    return std::ranges::find(names, name) != std::end(names);
}

} // namespace

std::string TimedAddress::text() const {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(ip.six ? AF_INET6 : AF_INET, ip.bytes.data(), text, sizeof(text));
    return fmt::format("{}/{}", text, prefix_length);
}

std::vector<TimedAddress> timed_addresses(Rtnl &rtnl, const Link &link) {
    constexpr uint8_t advertised_prefix = 64;
    const bool advertised = accepts_advertisements(link.name);
    std::vector<TimedAddress> out;
    for (uint8_t family : {AF_INET, AF_INET6})
        for (const auto &message : addresses_of(rtnl, link.index, family)) {
            const nlmsghdr *m = head(message);
            ifa_cacheinfo times{for_ever, for_ever, 0, 0};
            each_of<ifaddrmsg>(m, [&](const nlattr *attr) {
                if (mnl_attr_get_type(attr) == IFA_CACHEINFO)
                    std::memcpy(&times, mnl_attr_get_payload(attr),
                                std::min<size_t>(mnl_attr_get_payload_len(attr), sizeof(times)));
            });
            uint8_t length = header<ifaddrmsg>(m)->ifa_prefixlen;
            bool by_kernel = family == AF_INET6 && advertised && length == advertised_prefix;
            if (times.ifa_valid == for_ever || by_kernel) continue;
            uint32_t age = (stamp_of_now() - times.tstamp) / 100;
            out.push_back({local_address(m), length, std::chrono::seconds(times.ifa_valid),
                           std::chrono::seconds(times.ifa_valid) + std::chrono::seconds(age)});
        }
    return out;
}

std::vector<TimedAddress> temporary_addresses(Rtnl &rtnl, const Link &link) {
    std::vector<TimedAddress> out;
    for (const auto &message : addresses_of(rtnl, link.index, AF_INET6)) {
        const nlmsghdr *m = head(message);
        if (header<ifaddrmsg>(m)->ifa_flags & IFA_F_TEMPORARY)
            out.push_back({local_address(m), header<ifaddrmsg>(m)->ifa_prefixlen, {}, {}});
    }
    return out;
}

bool has_global_address(Rtnl &rtnl, Ifindex index, bool six) {
    auto all = addresses_of(rtnl, index, six ? AF_INET6 : AF_INET);
    return std::ranges::any_of(all, [](const auto &message) {
        return header<ifaddrmsg>(head(message))->ifa_scope < RT_SCOPE_LINK;
    });
}

std::string PacketListener::text() const {
    return pid ? fmt::format("{} (process {})", name, pid) : "a process with a packet socket";
}

std::vector<PacketListener> packet_listeners(Ifindex index) {
    std::set<std::string> sockets = sockets_on(index);
    std::vector<PacketListener> out;
    std::error_code error;
    if (sockets.empty()) return out;
    for (const auto &entry : fs::directory_iterator("/proc", error)) {
        int pid = std::atoi(entry.path().filename().c_str());
        std::string inode = pid > 0 ? socket_of(entry.path(), sockets) : "";
        if (inode.empty()) continue;
        sockets.erase(inode);
        std::string name;
        std::getline(std::ifstream(entry.path() / "comm"), name);
        if (pid != getpid() && !only_captures(name)) out.push_back({pid, name});
    }
    if (!sockets.empty() && out.empty()) out.push_back({}); // of those whom we may not look into
    return out;
}

} // namespace hitless
