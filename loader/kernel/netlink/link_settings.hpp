// SPDX-License-Identifier: BSD-2-Clause
//
// What a user has told a device itself, by `ip link set`: its alias, and how large a frame may be
// that the kernel cuts or merges (GSO, GRO). What the kernel gave the device is none of that.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <map>
#include <string>

namespace hitless {

class LinkSettings {
  public:
    static LinkSettings read(Rtnl &, Ifindex);

    /// What the device cannot have (its driver's limits), it does not get.
    void give(Rtnl &, Ifindex to) const;

  private:
    std::string alias_;
    std::map<uint16_t, uint32_t> sizes_; ///< IFLA_GSO_MAX_SIZE -> 32768
};

/// Whether protocols take a device for one that works (RFC 2863), which they learn a moment after
/// its driver.
bool is_operational(Rtnl &, Ifindex);

} // namespace hitless
