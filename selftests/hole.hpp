// SPDX-License-Identifier: BSD-2-Clause
//
// A path that carries nothing while its carrier stays up, under traffic.
#pragma once

#include "selftests/pair_test.hpp"

namespace hitless::selftest {

constexpr unsigned hole_rate = 20'000; ///< of the traffic; its lost frames are the clock

/// The hole is left for its own reason, nothing the guest sends is lost once it is, and the mended
/// path is used again. How long it swallowed frames is a figure of that name, and the value:
/// milliseconds. How long it may is tested where time is a number: tests/core/prover_test.
double expect_hole_left(const std::string &figure_name, Pair &, testbed::Direction,
                        const Traffic &);

} // namespace hitless::selftest
