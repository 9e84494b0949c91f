// SPDX-License-Identifier: BSD-2-Clause
//
// Making, moving and removing network devices. All throw Error with the kernel's reason.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <string>

namespace hitless {

/// Two devices, back to back: what one sends the other receives.
struct NewDevices {
    std::string outer, inner;                                         ///< names
    Mac mac;                                                          ///< of outer
    uint32_t mtu = 0;                                                 ///< of both
    Ifindex outer_index = Ifindex::none, inner_index = Ifindex::none; ///< none: the kernel's choice
    bool netkit = false;                                              ///< else veth
};

/// Makes inner in the namespace of `rtnl`, outer in the one of `outer_netns`. EOPNOTSUPP when the
/// kernel has no netkit.
void make_devices(Rtnl &, int outer_netns, const NewDevices &);

/// Moves a device; it is down afterwards, without addresses. `as`: its number there, where it is
/// free. When its name is taken there it gets another.
void move_device(Rtnl &, const Link &, int netns, Ifindex as);

/// Moves a device to the name and number that another has left.
void move_device_to(Rtnl &, const Link &, int netns, Ifindex as, const std::string &name);

/// A virtual one. Quiet when it is gone.
void remove_device(Rtnl &, Ifindex);

} // namespace hitless
