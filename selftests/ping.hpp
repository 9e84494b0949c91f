// SPDX-License-Identifier: BSD-2-Clause
//
// One ICMP echo, without ping(8), which a small guest may not have.
#pragma once

#include "testbed/netns.hpp"

#include <chrono>
#include <string>

namespace hitless::selftest {

/// True when `address` (IPv4 or IPv6) answers within `patience`.
bool ping(const testbed::Netns &from, const std::string &address,
          std::chrono::milliseconds patience);

} // namespace hitless::selftest
