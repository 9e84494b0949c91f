// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/judge.hpp"
#include "cli/demo/story.hpp"
#include "loader/core/layout.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless::cli::demo {
namespace {

constexpr std::uint64_t ms = 1'000'000;
// Beyond these it is no longer a network's doing, and the row fails.
constexpr std::uint64_t longest_relearning = 10 * ms;
constexpr std::uint64_t burst = ms, longest_burst = 4 * ms;
constexpr std::uint64_t longest_queue = 10 * ms;
constexpr std::uint64_t longest_move = 250 * ms;

std::uint64_t frames_in(std::uint64_t ns, unsigned rate) {
    return (ns * rate + 1000 * ms - 1) / (1000 * ms);
}

} // namespace

Bound bound_of(Toll toll, const Row &row, const Spec &spec) {
    const bool queues = spec.nic == proving::NicKind::tap;
    // On two cables, frames sent before and after a flip race each other: the network's doing.
    Bound bound{.reordered = queues || row.event != planned_event};
    const bool interrupted =
        layout_of(spec.model).nics == Place::hidden || spec.datapath == HL_DATAPATH_XDP;
    if (toll == Toll::move && interrupted) {
        bound.up_lost = frames_in(std::min(row.up.longest_gap_ns, longest_move), spec.rate);
        bound.down_lost = frames_in(std::min(row.down.longest_gap_ns, longest_move), spec.rate);
    }
    if (toll == Toll::none || toll == Toll::move) return bound;
    const std::uint64_t relearning = row.up.longest_gap_ns + row.up.longest_delay_ns;
    bound.up_lost = 1 + row.refused;
    bound.down_lost = frames_in(std::min(relearning, longest_relearning) +
                                    std::min(row.down.longest_gap_ns, longest_burst),
                                spec.rate);
    // flush_backlog() in net/core/dev.c: part of a burst had left the guest, and nobody counts it.
    if (!queues && toll == Toll::removal) bound.up_lost += frames_in(burst, spec.rate);
    if (!queues) return bound;
    bound.up_lost += frames_in(std::min(row.up.longest_delay_ns, longest_queue), spec.rate);
    bound.down_lost += frames_in(std::min(row.down.longest_delay_ns, longest_queue), spec.rate);
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
