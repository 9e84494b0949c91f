// SPDX-License-Identifier: BSD-2-Clause
//
// Brings a NIC into a pair and lets it go again.
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/path/apply_policy.hpp"
#include "loader/kernel/netlink/settings.hpp"
#include "loader/kernel/state/pair.hpp"

#include <optional>

namespace hitless {

/// Takes a NIC of the guest's namespace: saves its settings, moves it where the model has it, puts
/// our program on it and brings it in line with the master. The veto word is left alone:
/// apply_policy() judges. Returns how long the NIC was the pair's but not yet in place.
Instant install_nic(Pair &, PairNamespaces &, hl_role, const Link &nic, const Link &master);

/// The same device after it was away, in another namespace say: the kernel took it out of the
/// datapath, and its clsact filters with it.
void retake_primary(Pair &, PairNamespaces &, const Link &primary, const Link &master);
void retake_standby(Pair &, PairNamespaces &, const Link &standby);
/// The ends of a failover device, at first and after they were away.
void retake_failover(Pair &, PairNamespaces &);

/// The other way round; also when the NIC is gone, or only half installed. One that moves gets its
/// sysctls from `settings`, if any. Returns it as it is now.
std::optional<Link> release_nic(Pair &, PairNamespaces &, hl_role,
                                const Settings *settings = nullptr);

/// Out of the private namespace, back to the guest's. It may have another name and number there, if
/// its own are taken.
std::optional<Link> move_out(PairNamespaces &, const Link &nic);

} // namespace hitless
