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

/// The forms of a selector, for messages and help; docs/configuration.md explains each.
inline constexpr auto selector_forms =
    "auto (same MAC, on PCI), mac (same MAC, any bus), an interface name, pci:ADDRESS, slot:NAME, "
    "acpi:INDEX, port:ID, switch:ID, bus:PATH or driver:NAME; several with commas, the best first";

/// How the user named the primary: one of the forms above.
struct Selector {
    hl_selector_kind kind = HL_SELECT_AUTO;
    std::string arg;

    /// Throws Error(EINVAL) for text that is none of the forms.
    static Selector parse(std::string_view text);
    std::string text() const;
    /// The choices of a list in their order; itself when it is none.
    std::vector<Selector> ranked() const;
};

/// The primary that was found, or the reason in words why there is none.
struct Choice {
    const Link *primary = nullptr;
    std::string why_not;
    bool several = false; ///< more than one matched
};

/// The primary of `standby` among `links`. Several candidates for one form are refused, not guessed
/// between; the forms of a list are tried in their order. A list passes over devices that belong to
/// another master.
Choice choose_primary(const Link &standby, const Selector &, std::span<const Link> links);

/// What frees a NIC of the kernel's net_failover. Its module cannot be kept out: virtio_net needs
/// it.
inline constexpr auto no_failover_feature =
    "take the feature off the device on the host: failover=off of QEMU's virtio-net-pci, or no "
    "<teaming> in libvirt's XML";

/// True for drivers of NICs that stay when the machine moves.
bool is_paravirtual(const Link &);

/// A passthrough NIC that was given no MAC (empty, or drawn by its driver): it takes the standby's.
bool lacks_mac(const Link &);

/// It has the standby's MAC, or takes it.
bool fits_by_mac(const Link &standby, const Link &primary);

/// Why zero configuration makes no pair of this paravirtual NIC; empty when it does.
std::string why_unpaired(const Link &standby, std::span<const Link> links);

struct Proposal {
    const Link *standby;
    const Link *primary;
};

/// Every pair that needs no configuration: one paravirtual NIC, one PCI NIC, one MAC.
std::vector<Proposal> propose_pairs(std::span<const Link> links);

/// Refuses what can never be a pair: throws Error with the way out. A standby may stay in a VRF
/// where it is the master itself: a VRF takes no frames from a device, it routes what the device
/// has received.
void check_standby(const Link &standby, bool is_master = true);
/// `other_mac`: a host speaks, and may deliver to a NIC that has another MAC
/// (may_be_placeholder()).
void check_pair(const Link &standby, const Link &primary, bool other_mac = false);
/// Chosen by something else than its MAC, and as its host gave it: the MAC may stand in for the
/// guest's until the host delivers there (docs/host.md).
bool may_be_placeholder(const Selector &, const Link &primary);
/// Refuses to wait for a primary when the standby is the passthrough NIC of a paravirtual one.
void check_roles(const Link &standby, const Choice &, std::span<const Link> links);

/// What a device belongs to ("a bridge"), and what frees it: a command, where one does.
std::string describe_master(const Link &);
std::string leave_master(const Link &);

} // namespace hitless
