// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/core/types.hpp"

#include <vector>

namespace hitless {

/// Fills what rtnetlink does not tell of hardware devices: Link::driver as `ethtool -i` reports it,
/// and Link::slot from /sys/bus/pci/slots. Virtual devices keep "".
void learn_hardware(std::vector<Link> &);

} // namespace hitless
