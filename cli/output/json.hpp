// SPDX-License-Identifier: BSD-2-Clause
//
// The stable JSON of `-j`: version 1, snake_case, SI base units. One translation of each type.
#pragma once

#include "loader/api.hpp"
#include "loader/core/names.hpp"

#include <nlohmann/json_fwd.hpp>

namespace hitless::cli {

inline constexpr int json_version = 1;

nlohmann::ordered_json to_json(const PairStatus &);
nlohmann::ordered_json to_json(const Flip &);
nlohmann::ordered_json to_json(const Finding &);

/// One line. Interface names may be any bytes, JSON may not: what is no UTF-8 is replaced.
std::string to_text(const nlohmann::ordered_json &);

/// Seconds since the epoch of a moment on CLOCK_BOOTTIME.
double wall_seconds(Instant);

} // namespace hitless::cli
