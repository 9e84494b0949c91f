// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/core/types.hpp"

#include <vector>

namespace hitless {

/// Fills Link::driver of hardware devices, as `ethtool -i` reports it. Virtual ones keep "".
void learn_drivers(std::vector<Link> &);

} // namespace hitless
