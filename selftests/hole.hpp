// SPDX-License-Identifier: BSD-2-Clause
//
// A path that carries nothing while its carrier stays up, under traffic.
#pragma once

#include "selftests/pair_test.hpp"

namespace hitless::selftest {

constexpr unsigned hole_rate = 20'000; ///< of the traffic; its lost frames are the clock

/// The hole is left for its own reason within `limit_ms` of frames, nothing is lost afterwards, and
/// the mended path is used again.
void expect_hole_left_within(double limit_ms, Pair &, proving::Direction, const Traffic &);

} // namespace hitless::selftest
