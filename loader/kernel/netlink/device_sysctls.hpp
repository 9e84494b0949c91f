// SPDX-License-Identifier: BSD-2-Clause
//
// The sysctls of one device, of both families: net.*.conf.DEVICE and net.*.neigh.DEVICE. Read from
// one device, written to another, in the caller's namespace.
#pragma once

#include "loader/core/types.hpp"

#include <map>
#include <optional>
#include <string>

namespace hitless {

class DeviceSysctls {
  public:
    static DeviceSysctls read(const Link &);

    /// All but the one below.
    void write(const std::string &ifname) const;
    /// net.ipv6.conf.DEVICE.mtu, where it is not the device's.
    bool has_ipv6_mtu() const { return ipv6_mtu_.has_value(); }
    /// The kernel sets it back when IPv6 begins on the device, and when its MTU changes: to be
    /// written last.
    void write_ipv6_mtu(const std::string &ifname) const;

  private:
    std::map<std::string, std::string> values_; ///< "ipv4/conf/rp_filter" -> "1"
    std::optional<std::string> ipv6_mtu_;
};

} // namespace hitless
