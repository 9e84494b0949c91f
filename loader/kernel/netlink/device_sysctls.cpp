// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/device_sysctls.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>
#include <string_view>

namespace hitless {
namespace {

constexpr std::string_view ipv6_mtu = "ipv6/conf/mtu";

std::string path_of(std::string_view name, const std::string &ifname) {
    size_t last = name.rfind('/');
    return fmt::format("/proc/sys/net/{}/{}/{}", name.substr(0, last), ifname,
                       name.substr(last + 1));
}

std::string read_line(const std::string &path) {
    std::string out;
    std::getline(std::ifstream(path), out);
    return out;
}

void write_line(const std::string &path, const std::string &value) {
    if (read_line(path) != value) std::ofstream(path) << value;
}

/// "ipv4/conf", say.
void read_directory(std::map<std::string, std::string> &out, const std::string &group,
                    const std::string &ifname) {
    // Given otherwise, or the same as another in coarser units (neigh_sysctl_table in
    // net/core/neighbour.c).
    static const std::set<std::string> other = {
        "addr_gen_mode", "stable_secret", "base_reachable_time", "retrans_time", "unres_qlen"};
    std::error_code none;
    for (const auto &entry : std::filesystem::directory_iterator(
             fmt::format("/proc/sys/net/{}/{}", group, ifname), none)) {
        std::string name = entry.path().filename();
        if (other.contains(name)) continue;
        std::string value = read_line(entry.path());
        if (!value.empty()) out[fmt::format("{}/{}", group, name)] = value;
    }
}

} // namespace

DeviceSysctls DeviceSysctls::read(const Link &link) {
    DeviceSysctls out;
    for (const char *group : {"ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh"})
        read_directory(out.values_, group, link.name);
    auto mtu = out.values_.extract(std::string(ipv6_mtu));
    if (mtu && mtu.mapped() != std::to_string(link.mtu)) out.ipv6_mtu_ = mtu.mapped();
    return out;
}

void DeviceSysctls::write(const std::string &ifname) const {
    for (const auto &[name, value] : values_)
        write_line(path_of(name, ifname), value);
}

void DeviceSysctls::write_ipv6_mtu(const std::string &ifname) const {
    if (ipv6_mtu_) write_line(path_of(ipv6_mtu, ifname), *ipv6_mtu_);
}

} // namespace hitless
