// SPDX-License-Identifier: BSD-2-Clause
//
// rtnetlink messages as our types. Whatever the bytes are, nothing is read beyond them: an
// attribute that is too short counts as not there (tests/fuzz shows it).
#pragma once

#include "loader/core/types.hpp"

#include <functional>
#include <optional>
#include <vector>

struct nlmsghdr;

namespace hitless {

/// An RTM_NEWLINK message; nothing when it is too short for one.
std::optional<Link> decode_link(const nlmsghdr *);

/// An RTM_NEWNEIGH message, if it is of this device, unicast, and the MAC is known.
std::optional<Neighbour> decode_neighbour(const nlmsghdr *, Ifindex);

/// Likewise, one that the kernel asks for and has not found: its MAC is empty.
std::optional<Neighbour> decode_unresolved(const nlmsghdr *, Ifindex);

/// The address of an AF_BRIDGE RTM_NEWNEIGH message that tells an entry of the device's own filter,
/// if it is unicast.
std::optional<Mac> decode_filter_address(const nlmsghdr *, Ifindex);

/// The address of an RTM_NEWADDR message, if it is of this device and in use (not tentative).
std::optional<Address> decode_address(const nlmsghdr *, Ifindex);

/// The gateway of an RTM_NEWROUTE message, if it has one.
std::optional<Address> decode_gateway(const nlmsghdr *);

/// A traffic control filter.
struct Filter {
    uint32_t handle = 0;
    uint16_t priority = 0;
    uint32_t program = 0; ///< its id; 0 for filters that are no BPF program
    std::string name;     ///< of the program, as whoever added the filter wrote it
};
/// An RTM_NEWTFILTER message; nothing for the head of a priority.
std::optional<Filter> decode_filter(const nlmsghdr *);

/// A queueing discipline.
struct Qdisc {
    Ifindex device = Ifindex::none;
    std::string kind;
    uint32_t handle = 0; ///< 0: the kernel's own choice
    uint32_t parent = 0;
    uint32_t ingress_block = 0, egress_block = 0; ///< of shared filters
    bool max_rate = false;                        ///< `fq` holds flows to a rate
    uint32_t queued = 0;                          ///< frames
};
/// An RTM_NEWQDISC message.
std::optional<Qdisc> decode_qdisc(const nlmsghdr *);

/// A virtual function (VF) of an SR-IOV NIC, as the driver of its physical function (PF) tells it.
struct VirtualFunction {
    uint32_t number = 0;
    Mac mac;           ///< that the PF filters for; empty: the VF chooses
    uint16_t vlan = 0; ///< that the PF puts its frames into; 0: none
    bool operator==(const VirtualFunction &) const = default;
};
/// Those of an RTM_NEWLINK message that was asked for with them, in the driver's order.
std::vector<VirtualFunction> decode_virtual_functions(const nlmsghdr *);

/// What a datagram of the groups of links, of traffic control and of forwarding tells; `tc`: of the
/// device whose qdiscs or filters changed, `Ifindex::none` where several share them; `forwarding`:
/// of the device that routes from now on, or no longer.
void decode_links(
    const char *data, size_t size, const std::function<void(const Link &)> &changed,
    const std::function<void(Ifindex)> &gone,
    const std::function<void(Ifindex)> &tc = [](Ifindex) {},
    const std::function<void(Ifindex)> &forwarding = [](Ifindex) {});

} // namespace hitless
