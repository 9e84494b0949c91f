// SPDX-License-Identifier: BSD-2-Clause
//
// A native XDP program at a NIC, beside other people's by libxdp's dispatcher, which needs freplace
// programs; where the kernel refuses those, alone.
//
// Order among others (docs/adr): the gate is first, so that nobody counts a twin; the programs that
// lead frames elsewhere are last, so that nobody misses a frame.
#pragma once

#include "loader/kernel/bpf/hook.hpp"
#include "loader/kernel/bpf/xdp_object.hpp"

namespace hitless {

/// Attaches and pins the program at `pin`. Throws; EOPNOTSUPP: the driver has no native XDP.
hl_hook attach_xdp(const HookPoint &, const XdpObject &, bool first, const std::string &pin);

/// What libxdp or the kernel does not tell is not taken for nothing: these three throw.
///
/// Has `object` take the place of ours that `former` pins. Beside others both stand there until the
/// former one is detached, in an order in which no frame is judged twice: what leads frames
/// elsewhere comes before the one that it follows, and a gate behind. Alone it is replaced. Throws.
void follow_xdp(const hl_hook &, const XdpObject &, bool first, const std::string &former,
                const std::string &pin);
/// Throws what would refuse that at once, and changes nothing.
void try_follow_xdp(const hl_hook &, const XdpObject &, const std::string &former);
/// The same undone, however far it came: the one that `former` pins runs, alone of ours.
void restore_xdp(const hl_hook &, const std::string &former, const std::string &pin);

/// The one that `former` pins goes, and what a crash left of its follower's coming.
void retire_xdp(const hl_hook &, const std::string &former, const std::string &pin);

/// Takes ours away and leaves the others. Quiet when the device, or ours, is gone.
void detach_xdp(const hl_hook &, const std::string &pin);

/// True when the one XDP program of a device is ours, whatever became of its pair. One beside
/// others goes with the pins that libxdp keeps.
bool has_own_xdp(uint32_t ifindex);
/// Takes such a program off.
void remove_own_xdp(uint32_t ifindex);

/// True while our program runs there.
bool xdp_alive(const hl_hook &, const std::string &pin);

} // namespace hitless
