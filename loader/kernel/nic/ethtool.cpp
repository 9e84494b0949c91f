// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/nic/ethtool.hpp"
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

/// A request of the kernel's whose size is known at run time only; its words are zero.
template <typename Header>
struct Sized {
    explicit Sized(size_t payload) : words((sizeof(Header) + payload + 7) / 8) {}
    Header *operator->() { return reinterpret_cast<Header *>(words.data()); }
    std::vector<uint64_t> words;
};

/// The names of all features of this kernel, in the order of their bits.
std::vector<std::string> Ethtool::features(const std::string &ifname) const {
    Sized<ethtool_sset_info> info(sizeof(uint32_t));
    info->cmd = ETHTOOL_GSSET_INFO;
    info->sset_mask = 1ULL << ETH_SS_FEATURES;
    if (!ask(ifname, info.words.data()) || !info->sset_mask) return {};
    const size_t count = info->data[0];
    Sized<ethtool_gstrings> strings(count * ETH_GSTRING_LEN);
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_FEATURES;
    strings->len = static_cast<uint32_t>(count);
    if (!ask(ifname, strings.words.data())) return {};
    std::vector<std::string> out;
    for (size_t i = 0; i < count; i++) {
        const auto *name = reinterpret_cast<const char *>(strings->data) + i * ETH_GSTRING_LEN;
        out.emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
    }
    return out;
}

std::optional<bool> Ethtool::feature(const std::string &ifname, std::string_view name) const {
    std::vector<std::string> names = features(ifname);
    auto bit = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
    if (bit == names.size()) return std::nullopt;
    size_t blocks = (names.size() + 31) / 32;
    Sized<ethtool_gfeatures> now(blocks * sizeof(ethtool_get_features_block));
    now->cmd = ETHTOOL_GFEATURES;
    now->size = static_cast<uint32_t>(blocks);
    if (!ask(ifname, now.words.data())) return std::nullopt;
    return now->features[bit / 32].active >> bit % 32 & 1;
}

bool Ethtool::set_feature(const std::string &ifname, std::string_view name, bool on) const {
    std::vector<std::string> names = features(ifname);
    auto bit = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
    if (bit == names.size()) return false;
    size_t blocks = (names.size() + 31) / 32;
    Sized<ethtool_sfeatures> wanted(blocks * sizeof(ethtool_set_features_block));
    wanted->cmd = ETHTOOL_SFEATURES;
    wanted->size = static_cast<uint32_t>(blocks);
    wanted->features[bit / 32] = {1U << bit % 32, on ? 1U << bit % 32 : 0U};
    return ask(ifname, wanted.words.data()) && feature(ifname, name) == on;
}

void Ethtool::set(const std::string &ifname, uint32_t command, uint32_t value) const {
    ethtool_value change{command, value};
    if (!ask(ifname, &change)) throw Error(errno, fmt::format("change an offload of {}", ifname));
}

} // namespace hitless
