// SPDX-License-Identifier: BSD-2-Clause
//
// What a pair says of itself in its pinned record: who it is, by which rule and policy it is kept.
#pragma once

#include "loader/core/pairing.hpp"
#include "loader/core/policy.hpp"
#include "loader/kernel/state/pair.hpp"

#include <algorithm>
#include <string>

namespace hitless {

/// Fills what a pair is called and made of. Before it is published.
void describe_pair(Pair &, const Link &standby, const Selector &, const Policy &);
Selector selector_of(const hl_pair &);
Policy policy_of(const hl_pair &);
/// Writes another rule and policy into a pair that exists.
void write_rule(hl_pair &, const Selector &, const Policy &);

/// The device that the guest uses.
Ifindex master_of(const hl_pair &);

hl_saved &saved_of(hl_pair &, hl_role);
hl_identity &id_of(hl_pair &, hl_role);
const hl_identity &id_of(const hl_pair &, hl_role);
/// Writes down which device a NIC is.
void describe_nic(hl_identity &, const Link &);
Mac mac_of(const __u8 (&bytes)[6]);
template <size_t N>
void copy_text(char (&to)[N], const std::string &from) {
    std::fill(std::begin(to), std::end(to), '\0');
    std::copy_n(from.data(), std::min(from.size(), N - 1), to);
}

} // namespace hitless
