// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/api.hpp"

#include <string>

namespace hitless::cli {

/// "2026-11-23T07:04:34.123456Z eth0 primary -> standby down-seen by datapath after 12.003 s"
std::string flip_line(const Flip &);

} // namespace hitless::cli
