// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/hitless.hpp"

#include <string>

namespace hitless::cli {

/// Reads a controller's configuration (docs/operating.md). Throws Error(EINVAL) whose text starts
/// with file:line:column and names the offending key.
///
///   auto_pair = true
///   hold_down_ms = 200
///   [[pair]]
///   standby = "eth0"
///   primary = "mac"
Controller::Options read_config(const std::string &file);

} // namespace hitless::cli
