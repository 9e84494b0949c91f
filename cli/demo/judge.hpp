// SPDX-License-Identifier: BSD-2-Clause
//
// What a row may show, and what of it does not hold. Pure.
#pragma once

#include "cli/demo/event.hpp"
#include "cli/demo/spec.hpp"

namespace hitless::cli::demo {

/// The bound of an event, given what was measured.
///
/// Up: what the guest sends takes the other path by itself; one frame may have been in the device.
/// To that comes what the device counts as refused: it was closed before it said so (a veth's peer
/// is, by as long as an RCU grace period). A tap has a queue, which dies with it: it held what was
/// sent in the time that the slowest frame took.
///
/// Down: a learning switch sends to the dead port until it hears the guest elsewhere, which is the
/// guest's next frame (testbed::frames_unheard).
///
/// A standby that moves to another namespace is down on its way, and a guest whose addresses move
/// is without them: what was sent in the longest gap, and nothing beside it.
///
/// No bound is a time: on a slow machine gaps are longer, and with them what the network loses.
Bound bound_of(Toll, const Row &, const Spec &);

/// The figures that do not hold, in words; empty when all do.
std::vector<std::string> judge(const Row &);

} // namespace hitless::cli::demo
