// SPDX-License-Identifier: BSD-2-Clause
//
// Somebody behind the guest: a namespace of its own, joined to the guest's master by the guest's
// bridge, or by a macvlan.
//
//   Nested nested(pair.guest(), pair.master(), Nested::Joined::bridge);
//   EXPECT_TRUE(ping(nested.netns(), Testbed::far4, default_patience));
#pragma once

#include "testbed/netns.hpp"

#include <string>

namespace hitless::selftest {

class Nested {
  public:
    static constexpr const char *address4 = "10.77.0.50", *mac = "52:54:00:77:00:50";
    static constexpr const char *ifname = "eth0", *bridge = "br-guest";
    enum class Joined { bridge, macvlan };

    /// Its link passes frames when it returns. Throws Error.
    Nested(const testbed::Netns &guest, const std::string &master, Joined);

    const testbed::Netns &netns() const { return netns_; }
    /// The ports at which the guest's bridge looks for it, as `bridge fdb` names them.
    std::string learned_at() const;

  private:
    bool passes(Joined) const;

    const testbed::Netns &guest_;
    testbed::Netns netns_;
};

} // namespace hitless::selftest
