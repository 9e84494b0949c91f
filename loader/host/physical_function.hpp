// SPDX-License-Identifier: BSD-2-Clause
//
// The PF of an SR-IOV NIC as a delivery sees it: whose driver it has, its VFs, and the setting of
// their addresses. A place of its own so that a NIC which nobody has at hand can stand there.
#pragma once

#include "loader/kernel/netlink/virtual_functions.hpp"

#include <memory>
#include <string>
#include <vector>

namespace hitless {

class PhysicalFunction {
  public:
    virtual ~PhysicalFunction() = default;
    virtual std::string driver() = 0; ///< "" when the device is not there
    /// None where the device has none, or is not there.
    virtual std::vector<VirtualFunction> functions() = 0;
    /// 0, or an errno.
    virtual int set_mac(uint32_t vf, const Mac &) = 0;
};

/// As the kernel has it. `rtnl` must outlive it.
std::unique_ptr<PhysicalFunction> kernel_function(Rtnl &rtnl, const std::string &name);

} // namespace hitless
