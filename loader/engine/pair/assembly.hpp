// SPDX-License-Identifier: BSD-2-Clause
//
// Puts the standby of a pair in its place, together with the master, and takes a pair off all its
// devices again, however far it got. In models with a failover device the user's settings travel
// from the standby to the master, and back.
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "loader/kernel/state/pair.hpp"

namespace hitless {

/// Which are made of tc and a private namespace (engine/pair/failover_device.hpp).
inline bool has_private_netns(const Pair &pair) {
    return pair.model().inner == PairNetns::hidden;
}

/// The failover device takes the standby's place. Throws, and leaves it to disassemble() to undo
/// what was done.
void install_failover_device(Pair &, PairNamespaces &, const Link &standby);

/// Takes every program of ours off, in the order that keeps frames flowing: outward first, so that
/// new frames take the standby while the primary still delivers what is on its way. Gives settings
/// and NICs back, and removes our devices. Returns what of the settings the kernel refused, and
/// why; all else is given back.
std::string disassemble(Pair &, PairNamespaces &);

} // namespace hitless
