// SPDX-License-Identifier: BSD-2-Clause
//
// Steps that attach, detach and the controller share: bring a primary into a pair or let it go, and
// ask policy what to think of it.
#pragma once

#include "loader/core/pairing.hpp"
#include "loader/core/policy.hpp"
#include "loader/engine/vigil.hpp"
#include "loader/kernel/pair.hpp"
#include "loader/kernel/rtnl.hpp"

namespace hitless {

/// Fills what a pair is called and made of. Before it is published.
void describe_pair(Pair &, const Link &standby, const Selector &, const Policy &);
Selector selector_of(const hl_pair &);
Policy policy_of(const hl_pair &);
/// Writes another rule and policy into a pair that exists.
void adopt_rule(hl_pair &, const Selector &, const Policy &);

/// Saves the primary's settings, brings them in line with the standby's, and puts our program on
/// it. The veto word is left alone: settle() judges.
void install_primary(Pair &, Rtnl &, const Link &standby, const Link &primary);

/// The same device after it was away, in another namespace say: the kernel took it out of the
/// datapath, and its clsact filters with it.
void retake_primary(Pair &, Rtnl &, const Link &standby, const Link &primary);

/// Takes our program off the primary, if it is still there, and gives its settings back.
void release_primary(Pair &, Rtnl &);

/// Takes every program of ours off, in the order that keeps frames flowing: outward first, so that
/// new frames take the standby while the primary still delivers what is on its way.
void take_off(Pair &, Rtnl &);

/// Asks policy with what the NICs and the vigil say now, and applies the verdict. Returns when to
/// ask again.
std::optional<Instant> settle(Pair &, Rtnl &, Vigil &, hl_actor);

/// The link that an identity names, if it still is that device.
std::optional<Link> find(Rtnl &, const hl_identity &);

/// The device that the guest uses.
Ifindex master_of(const hl_pair &);

Mac mac_of(const __u8 (&bytes)[6]);

} // namespace hitless
