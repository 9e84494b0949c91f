// SPDX-License-Identifier: BSD-2-Clause
//
// Which NIC is whose primary. Pure: a list of links in, a choice and its reason out.
//
// A paravirtual NIC is recognised by its driver, a passthrough NIC by its bus; together with an
// equal MAC that is the whole zero-configuration rule (net_failover's rule, without the feature
// bit).
#pragma once

#include "loader/core/types.hpp"
#include "maps/hitless_abi.h"

#include <span>
#include <string>
#include <vector>

namespace hitless {

/// How the user named the primary: auto | mac | IFNAME | pci:ADDR | slot:N.
struct Selector {
    hl_selector_kind kind = HL_SELECT_AUTO;
    std::string arg;

    /// Throws Error(EINVAL) for text that is none of the forms.
    static Selector parse(std::string_view text);
    std::string text() const;
};

/// The primary that was found, or the reason in words why there is none.
struct Choice {
    const Link *primary = nullptr;
    std::string why_not;
    bool several = false; ///< more than one matched
};

/// The primary of `standby` among `links`. Several candidates are refused, not guessed between.
Choice choose_primary(const Link &standby, const Selector &, std::span<const Link> links);

/// True for drivers of NICs that stay when the machine moves.
bool is_paravirtual(const Link &);

struct Proposal {
    const Link *standby;
    const Link *primary;
};

/// Every pair that needs no configuration: one paravirtual NIC, one PCI NIC, one MAC.
std::vector<Proposal> propose_pairs(std::span<const Link> links);

/// Refuses what can never be a pair: throws Error with the way out.
void check_standby(const Link &standby);
void check_pair(const Link &standby, const Link &primary);

} // namespace hitless
