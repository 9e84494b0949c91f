// SPDX-License-Identifier: BSD-2-Clause
//
// The queueing disciplines and traffic control filters of a device, as its owner set them up.
//
//   if (tc_hook(rtnl, eth0).kind == TcHook::Kind::ingress) ... // no filter sees what eth0 sends
#pragma once

#include "loader/kernel/netlink/decode.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hitless {

enum class Direction { ingress, egress };

/// The qdisc at the handle ffff:, which holds filters and no frames. Two kinds stand there:
/// `clsact` has a half for each direction, `ingress` one half alone, and the kernel puts a filter
/// that is added to the other half of that one into the half that is there, without an error.
struct TcHook {
    enum class Kind { none, ingress, clsact } kind = Kind::none;
    /// Numbers of blocks of filters that are shared among devices; 0: its own.
    uint32_t ingress_block = 0, egress_block = 0;

    uint32_t block(Direction d) const {
        return d == Direction::ingress ? ingress_block : egress_block;
    }
    bool has(Direction d) const {
        return kind == Kind::clsact || (kind == Kind::ingress && d == Direction::ingress);
    }
};
TcHook tc_hook(Rtnl &, Ifindex);

/// The filters of one direction, those of a shared block too; none where the device has no place
/// for them.
std::vector<Filter> filters(Rtnl &, Ifindex, Direction);

/// The kind of the root qdisc that somebody chose, or of what stands below it, if it decides when
/// or in which order frames leave; "" where frames are only queued. docs/other-programs.md says
/// which.
std::string shaping_qdisc(Rtnl &, Ifindex);

/// Frames that wait in a device's qdiscs.
uint64_t queued_frames(Rtnl &, Ifindex);

/// Qdiscs that cannot be made on another device by their own options: classes are made one by one,
/// or they are bound to the queues of a NIC.
bool stays_behind(std::string_view kind);
/// The kind of a device's root qdisc, if it is one, or somebody made other qdiscs below it.
std::string qdisc_that_stays(Rtnl &, Ifindex);

/// Devices that have a qdisc for filters, of either kind.
std::vector<Ifindex> devices_with_tc_hook(Rtnl &);

} // namespace hitless
