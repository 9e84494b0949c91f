// SPDX-License-Identifier: BSD-2-Clause
//
// The test bed: three network namespaces on the running kernel.
//
//   guest                      switch (learning bridge br0)        far
//   standby ------------------ sw-standby
//     10.77.0.2/24 fd77::2/64           sw-far ------------------- lan 10.77.0.1/24 fd77::1/64
//   primary ------------------ sw-primary
//
// Both guest NICs have one MAC. The standby is up with addresses; the primary does not exist until
// primary().add(), and is left down then. Nothing outside the three namespaces is touched, and all
// of it goes with the object. Needs root, and a kernel with bridge, veth, tun and cls_bpf.
//
//   Testbed bed({.primary = NicKind::tap});
//   bed.primary().add();
//   bed.primary().admin(true);
#pragma once

#include "testbed/netns.hpp"
#include "testbed/nic.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace hitless::testbed {

struct TestbedSpec {
    NicKind standby = NicKind::veth;
    NicKind primary = NicKind::veth;
    unsigned mtu = 1500;
};

class Testbed {
  public:
    static constexpr const char *guest4 = "10.77.0.2";
    static constexpr const char *guest6 = "fd77::2";
    static constexpr const char *far4 = "10.77.0.1";
    static constexpr const char *far6 = "fd77::1";
    static constexpr const char *broadcast4 = "10.77.0.255";
    static constexpr const char *mac = "52:54:00:77:00:02";

    /// Also sweeps what dead test beds left. Throws Error.
    explicit Testbed(const TestbedSpec &spec = {});

    const Netns &guest() const { return guest_; }
    const Netns &far() const { return far_; }
    const Netns &switch_ns() const { return switch_; }
    /// Where to move a NIC to, as a container would take it.
    const Netns &elsewhere();

    Nic &standby() { return standby_; }
    Nic &primary() { return primary_; }

    /// The whole path: far, switch and every NIC present (later ones too).
    void mtu(unsigned bytes);
    /// From now on the guest receives frames as from hardware: Nic::finish_frames(). Needs ethtool.
    void finish_frames();
    /// VLAN `id` as `<device>.<id>` on `master` in the guest (10.<id>.0.2/24) and on far
    /// (10.<id>.0.1/24). Throws Error(EOPNOTSUPP) on a kernel without 8021q; 2 <= id <= 254.
    void vlan(unsigned id, const std::string &master = "standby");
    /// Waits until duplicate address detection in the guest is over; true = every address of
    /// `ifname` is usable.
    bool addresses_ready(const std::string &ifname = "standby",
                         std::chrono::milliseconds patience = std::chrono::seconds(5)) const;

  private:
    void build(const TestbedSpec &spec);

    std::string prefix_;
    Netns far_;
    Netns switch_;
    Netns guest_;
    std::unique_ptr<Netns> elsewhere_;
    Nic standby_;
    Nic primary_;
};

} // namespace hitless::testbed
