// SPDX-License-Identifier: BSD-2-Clause
//
// The timings of a policy, one table for the command line, the configuration file and `-j`: a key
// "hold_down_ms" is the option --hold-down and the field "hold_down_s".
#pragma once

#include "loader/api.hpp"

#include <span>
#include <string>

namespace hitless::cli {

struct Timing {
    std::string_view key; ///< in milliseconds
    std::chrono::milliseconds &(*of)(Policy &);
    int64_t most;
    const char *meaning;

    std::string option() const; ///< "--hold-down"
    std::string field() const;  ///< "hold_down_s"
};
std::span<const Timing> timings();

/// The place of a word in a list of names; nothing when it is none of them.
std::optional<size_t> place_of(std::string_view word, std::span<const std::string_view> names);

} // namespace hitless::cli
