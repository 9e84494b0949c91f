// SPDX-License-Identifier: BSD-2-Clause
//
// Somebody behind the guest: a namespace of its own, joined to the guest's master by the guest's
// bridge, or by a macvlan.
//
//   Nested nested(pair.guest(), pair.master(), Nested::Joined::bridge);
//   EXPECT_TRUE(ping(nested.netns(), Testbed::far4, default_patience));
#pragma once

#include "selftests/traffic.hpp"
#include "testbed/netns.hpp"

#include <string>

namespace hitless::selftest {

class Pair;

class Nested {
  public:
    static constexpr const char *address4 = "10.77.0.50", *mac = "52:54:00:77:00:50";
    static constexpr const char *ifname = "eth0", *bridge = "br-guest";
    enum class Joined { bridge, macvlan_private, macvlan_bridge, macvlan_vepa, macvlan_passthru };

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

/// Frames that the nested guest sends to this MAC reach the far host. The network floods them, and
/// none comes back.
void expect_no_echo(Pair &, const Nested &, const std::string &to);

/// The switch forgets where everybody is, and floods from now on.
void flood_unicast(testbed::Testbed &);
/// Numbered frames of the far host to one address, whose MAC it knows.
testbed::Tally sent_to(testbed::Testbed &, const testbed::Netns &to, const std::string &address,
                       const char *mac);

} // namespace hitless::selftest
