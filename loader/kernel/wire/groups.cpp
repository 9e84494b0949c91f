// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/wire/groups.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hitless {
namespace {

constexpr size_t most_groups = 64;
constexpr size_t most_frames = 8; // for a querier of IGMPv2 or v1

void keep(std::vector<Address> &groups, const Address &group, Wanted wanted) {
    if (wanted(group) && groups.size() < most_groups) groups.push_back(group);
}

/// 224.0.0.1; ff01::1, ff02::1 and, of who forwards, ff02::2 and its like and ff02::6a; ff02::1:ff
/// and three bytes of an address.
bool is_of_socket(const Address &group) {
    static constexpr std::array<uint8_t, 4> all_hosts{224, 0, 0, 1};
    static constexpr std::array<uint8_t, 13> zeros{};
    static constexpr std::array<uint8_t, 11> solicited{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    const auto &b = group.bytes;
    if (!group.six) return !std::equal(all_hosts.begin(), all_hosts.end(), b.begin());
    bool well_known = std::equal(zeros.begin(), zeros.end(), b.begin() + 2) &&
                      (b[15] == 1 || b[15] == 2 || b[15] == 0x6a);
    return !well_known && !std::equal(solicited.begin(), solicited.end(), b.begin() + 2);
}

} // namespace

bool is_pruned(const Address &group) {
    const auto &b = group.bytes;
    if (!group.six) return b[0] != 224 || b[1] || b[2];
    static constexpr std::array<uint8_t, 14> zeros{};
    bool all_nodes = std::equal(zeros.begin(), zeros.end() - 1, b.begin() + 2) && b[15] == 1;
    return (b[1] & 0xf) > 1 && !all_nodes;
}

// "4	eth0      :     1      V3" and, below it, "				010000E0     1
// 0:00000000 0": an address as the machine holds it in a number.
void read_igmp(std::istream &in, Ifindex index, Groups &out, Wanted wanted) {
    bool here = false;
    for (std::string line; std::getline(in, line) && !line.empty();) {
        std::istringstream words(line);
        std::string first, count, version;
        words >> first;
        if (line.starts_with('\t')) {
            auto raw = static_cast<uint32_t>(strtoul(first.c_str(), nullptr, 16));
            Address group;
            memcpy(group.bytes.data(), &raw, sizeof(raw));
            if (here) keep(out.of4, group, wanted);
            continue;
        }
        here = first == std::to_string(number(index));
        std::istringstream rest(line.substr(std::min(line.find(':'), line.size() - 1) + 1));
        if (here && rest >> count >> version && version.size() == 2)
            out.igmp = static_cast<unsigned>(version[1] - '0');
    }
}

// "4    eth0            ff020000000000000000000000000001     1 0000000C 0"
void read_igmp6(std::istream &in, Ifindex index, Groups &out, Wanted wanted) {
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        uint32_t at = 0;
        std::string name, hex;
        if (!(words >> at >> name >> hex) || at != number(index) || hex.size() != 32) continue;
        Address group{true, {}};
        for (size_t i = 0; i < 16; i++)
            group.bytes[i] =
                static_cast<uint8_t>(strtoul(hex.substr(2 * i, 2).c_str(), nullptr, 16));
        keep(out.of6, group, wanted);
    }
}

static Groups groups_on(Ifindex index, Wanted wanted) {
    Groups out;
    std::ifstream four("/proc/thread-self/net/igmp"), six("/proc/thread-self/net/igmp6");
    read_igmp(four, index, out, wanted);
    read_igmp6(six, index, out, wanted);
    return out;
}

Groups joined_groups(Ifindex index) {
    return groups_on(index, is_pruned);
}

std::vector<Address> groups_of_sockets(Ifindex index) {
    Groups groups = groups_on(index, is_of_socket);
    groups.of4.insert(groups.of4.end(), groups.of6.begin(), groups.of6.end());
    return groups.of4;
}

std::vector<Frame> membership_reports(const Mac &own, const Address &own4, const Address &own6,
                                      const Groups &groups) {
    std::vector<Frame> out;
    if (groups.igmp >= 3 && !groups.of4.empty())
        out.push_back(group_report(own, own4, groups.of4));
    else
        for (size_t i = 0; i < std::min(groups.of4.size(), most_frames); i++)
            out.push_back(old_group_report(own, own4, groups.of4[i], groups.igmp));
    if (!groups.of6.empty()) out.push_back(group_report(own, own6, groups.of6));
    return out;
}

} // namespace hitless
