// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/flip_line.hpp"
#include "cli/output/json.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/ranges.h>

namespace hitless::cli {

std::string flip_line(const Flip &flip) {
    double wall = wall_seconds(flip.time);
    auto whole = static_cast<time_t>(wall);
    auto micros = static_cast<int>((wall - static_cast<double>(whole)) * 1e6);
    // What was withdrawn last stands against nothing any more.
    bool proved = flip.to_primary && flip.reasons == HL_VETO(UNPROVEN);
    std::string line = fmt::format(
        "{:%Y-%m-%dT%H:%M:%S}.{:06}Z {} {} -> {} {}{} by {}", fmt::gmtime(whole), micros, flip.pair,
        path_name(!flip.to_primary), path_name(flip.to_primary),
        flip.to_primary && !proved ? "no longer " : "",
        proved ? "proved" : fmt::format("{}", fmt::join(reason_names(flip.reasons), ",")),
        actor_names[flip.actor]);
    if (flip.lasted)
        line += fmt::format(" after {:.3f} s", std::chrono::duration<double>(*flip.lasted).count());
    if (flip.lost) line += fmt::format(", {} frames died in the primary", *flip.lost);
    return line;
}

} // namespace hitless::cli
