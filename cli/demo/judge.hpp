// SPDX-License-Identifier: BSD-2-Clause
//
// What a row may show, and what of it does not hold. Pure.
#pragma once

#include "cli/demo/event.hpp"

namespace hitless::cli::demo {

/// The bound of an event, given what was measured.
///
/// Up: what the guest sends takes the other path by itself; one frame may have been in the device.
///
/// Down: a learning switch sends to the dead port until it hears the guest elsewhere, which is the
/// guest's next frame. It came at most `up`'s longest gap after the fault. In that time the far
/// host sent rate x gap, and one burst more: as much as it was late itself (the sender's bursts are
/// 1 ms, and at most 4 ms where it had to catch up).
Bound bound_of(Toll, const Row &, unsigned rate, bool cables_race);

/// The figures that do not hold, in words; empty when all do.
std::vector<std::string> judge(const Row &);

} // namespace hitless::cli::demo
