// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hitless {

/// ethtool requests in the network namespace it was made in. Devices may vanish at any time: what
/// cannot be asked is "", or 0.
class Ethtool {
  public:
    Ethtool();
    std::string driver(const std::string &ifname) const;
    uint32_t flags(const std::string &ifname) const; ///< ETH_FLAG_*
    uint32_t speed(const std::string &ifname) const; ///< Mbit/s
    /// Whether a feature as `ethtool -k` names it is on; nothing when it has none of that name.
    std::optional<bool> feature(const std::string &ifname, std::string_view name) const;
    /// False when the device will not have it so.
    bool set_feature(const std::string &ifname, std::string_view name, bool on) const;
    /// ETHTOOL_STXCSUM and its kin. Throws.
    void set(const std::string &ifname, uint32_t command, uint32_t value) const;

  private:
    bool ask(const std::string &ifname, void *command) const;
    std::vector<std::string> features(const std::string &ifname) const;
    Fd control_;
};

} // namespace hitless
