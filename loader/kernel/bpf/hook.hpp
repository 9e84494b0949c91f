// SPDX-License-Identifier: BSD-2-Clause
//
// A program at a NIC's traffic control hook: tcx where the kernel has it (6.6), clsact elsewhere.
//
// Order among other people's programs (docs/adr/0003): in tcx ours comes last where it leads frames
// away, so that nobody's program misses one, and first on a standby that is the master, so that
// nobody sees a frame twice. tcx runs before clsact, so a device that carries foreign clsact
// filters outward gets ours there. kernel/bpf/hook_chain.hpp keeps the order.
// A filter of ours outlives its pair's pins: it is known by its handle, priority and name.
#pragma once

#include "loader/kernel/fd.hpp"
#include "loader/kernel/netlink/qdisc.hpp"
#include "maps/hitless_abi.h"

#include <string>
#include <vector>

namespace hitless {

struct HookPoint {
    uint32_t ifindex;
    Direction direction;
    std::string shown; ///< the device's name, for errors
    /// The device is a netkit: the program runs when the device's other end sends.
    bool netkit = false;
    bool last = false; ///< our program comes behind other people's programs, not before them
};

/// Attaches and, for tcx, pins the link at `pin`. Returns what detach() needs. Where ours runs
/// already it moves, without a gap, to where it belongs among other people's filters now.
hl_hook attach_hook(const HookPoint &, int program_fd, const std::string &pin);

/// Whether this kernel has tcx, which is asked of a device without changing it.
bool has_tcx(uint32_t ifindex);

/// Attaches by tcx alone and leaves the link to the caller. Throws; EOPNOTSUPP before Linux 6.6.
Fd link_tcx(const HookPoint &, int program_fd);

/// Puts another program of ours in the place of the one that runs there, without a moment in which
/// frames pass neither. Quiet when the device, or our hook on it, is gone.
void replace_program(const hl_hook &, Direction, int program_fd, const std::string &pin);

/// Where another program was put into our link, ours is put back. False where that is not so.
bool retake_link(const hl_hook &, int program_fd, const std::string &pin);

/// Takes ours away, and the clsact qdisc if we made it. Quiet when the device is gone.
void detach_hook(const hl_hook &, Direction, const std::string &pin);

/// True while our program is still the one that runs there.
bool hook_alive(const hl_hook &, Direction, int program_fd, const std::string &pin);

/// Attaches and takes off again, one kind each; 0 or the positive errno. For doctor.
int try_tcx(const HookPoint &, int program_fd);
int try_clsact(const HookPoint &, int program_fd);

/// The filters that a device has of that direction and that are not ours.
std::vector<Filter> other_filters(uint32_t ifindex, Direction);
bool has_other_filters(uint32_t ifindex, Direction);

/// Throws what attach_hook() would because of the qdisc and the filters that others have there;
/// changes nothing.
void check_hook(const HookPoint &);
/// The remedy that it would name; "" when there is room.
std::string make_room(const HookPoint &);

/// A filter that is known by its handle, priority and name as one of ours.
struct OwnFilter {
    uint32_t ifindex;
    Direction direction;
};
/// All of the namespace, whatever became of their pairs.
std::vector<OwnFilter> own_filters(Rtnl &);
void remove_filter(const OwnFilter &);

} // namespace hitless
