// SPDX-License-Identifier: BSD-2-Clause
//
// The virtual functions of an SR-IOV NIC, as the driver of its physical function (PF) tells them
// and is told: ip-link(8), `ip link set PF vf NUMBER mac ADDRESS`.
#pragma once

#include "loader/kernel/netlink/decode.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

namespace hitless {

/// Those of a PF, in the driver's order; none where it has none. Throws Error.
std::vector<VirtualFunction> virtual_functions(Rtnl &, Ifindex pf);

/// 0, or the kernel's errno: EOPNOTSUPP where the device is no PF, EINVAL where it has no such VF.
/// Holds up every user of rtnetlink while the driver works.
int set_vf_mac(Rtnl &, Ifindex pf, uint32_t vf, const Mac &);

/// The request that set_vf_mac() sends. `buffer` has 256 bytes.
nlmsghdr *vf_mac_request(char *buffer, Ifindex pf, uint32_t vf, const Mac &);

} // namespace hitless
