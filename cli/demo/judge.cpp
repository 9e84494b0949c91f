// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/judge.hpp"
#include "cli/demo/story.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless::cli::demo {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t longest_relearning = 10 * ms;
constexpr std::uint64_t longest_burst = 4 * ms;

std::uint64_t frames_in(std::uint64_t ns, unsigned rate) {
    return (ns * rate + 1000 * ms - 1) / (1000 * ms);
}

} // namespace

Bound bound_of(Toll toll, const Row &row, unsigned rate, bool cables_race) {
    // On two cables, frames sent before and after a flip race each other: the network's doing.
    Bound bound{.reordered = cables_race || row.event != planned_event};
    if (toll == Toll::none) return bound;
    const std::uint64_t deaf = std::min(row.up.longest_gap_ns, longest_relearning) +
                               std::min(row.down.longest_gap_ns, longest_burst);
    bound.up_lost = 1;
    bound.down_lost = frames_in(deaf, rate);
    return bound;
}

std::vector<std::string> judge(const Row &row) {
    std::vector<std::string> out;
    const auto direction = [&](const char *name, const proving::Tally &seen, std::uint64_t lost) {
        if (seen.frames == 0) out.push_back(fmt::format("{}: no frame was sent", name));
        if (seen.lost > lost)
            out.push_back(fmt::format("{}: {} lost, at most {} allowed", name, seen.lost, lost));
        if (seen.duplicated != 0)
            out.push_back(fmt::format("{}: {} duplicated", name, seen.duplicated));
        if (seen.reordered != 0 && !row.bound.reordered)
            out.push_back(fmt::format("{}: {} reordered", name, seen.reordered));
    };
    direction("up", row.up, row.bound.up_lost);
    direction("down", row.down, row.bound.down_lost);
    return out;
}

} // namespace hitless::cli::demo
