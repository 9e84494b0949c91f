// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/physical_function.hpp"
#include "loader/kernel/nic/ethtool.hpp"

#include <cerrno>

namespace hitless {
namespace {

class KernelFunction : public PhysicalFunction {
  public:
    KernelFunction(Rtnl &rtnl, std::string name) : rtnl_(rtnl), name_(std::move(name)) {}
    std::string driver() override { return Ethtool().driver(name_); }
    std::vector<VirtualFunction> functions() override {
        std::optional<Link> link = rtnl_.link(name_);
        return link ? virtual_functions(rtnl_, link->index) : std::vector<VirtualFunction>{};
    }
    int set_mac(uint32_t vf, const Mac &mac) override {
        std::optional<Link> link = rtnl_.link(name_);
        return link ? set_vf_mac(rtnl_, link->index, vf, mac) : ENODEV;
    }

  private:
    Rtnl &rtnl_;
    std::string name_;
};

} // namespace

std::unique_ptr<PhysicalFunction> kernel_function(Rtnl &rtnl, const std::string &name) {
    return std::make_unique<KernelFunction>(rtnl, name);
}

} // namespace hitless
