// SPDX-License-Identifier: BSD-2-Clause
//
// Steps that attach, detach and the controller share: bring a NIC into a pair or let it go, and ask
// policy what to think of the primary.
#pragma once

#include "loader/core/pairing.hpp"
#include "loader/core/policy.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/path/path_monitor.hpp"
#include "loader/kernel/netlink/settings.hpp"
#include "loader/kernel/state/pair.hpp"

#include <algorithm>
#include <vector>

namespace hitless {

/// Fills what a pair is called and made of. Before it is published.
void describe_pair(Pair &, const Link &standby, const Selector &, const Policy &);
Selector selector_of(const hl_pair &);
Policy policy_of(const hl_pair &);
/// Writes another rule and policy into a pair that exists.
void write_rule(hl_pair &, const Selector &, const Policy &);

/// The devices of a pair as they are now; nothing where one is not there.
struct Members {
    std::optional<Link> master, standby, primary;
};
Members read_members(PairNamespaces &, const Pair &);

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

/// Asks policy with what the NICs and the path monitor say now, and applies the verdict. Returns
/// when to ask again.
std::optional<Instant> apply_policy(Pair &, PairNamespaces &, PathMonitor &, hl_actor);

/// The NIC of a role where the model has it, if that still is the device that was taken.
std::optional<Link> find_nic(Rtnl &, const Pair &, hl_role);

/// Every link that could be a pair's primary: the guest's but its failover device, and the primary
/// that it has, which may be elsewhere. Numbers of two namespaces mean two things: `present` is the
/// place of that one, or past the end.
struct Candidates {
    std::vector<Link> links;
    size_t present;
};
Candidates candidates(PairNamespaces &, const Pair &, const Members &);
/// The standby as pairing compares it with them.
Link seen_from_guest(const Pair &, const Link &standby);

/// The device that the guest uses.
Ifindex master_of(const hl_pair &);

hl_saved &saved_of(hl_pair &, hl_role);
Mac mac_of(const __u8 (&bytes)[6]);
template <size_t N>
void copy_text(char (&to)[N], const std::string &from) {
    std::fill(std::begin(to), std::end(to), '\0');
    std::copy_n(from.data(), std::min(from.size(), N - 1), to);
}

} // namespace hitless
