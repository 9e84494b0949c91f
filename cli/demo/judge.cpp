// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/judge.hpp"
#include "cli/demo/story.hpp"
#include "loader/core/models.hpp"
#include "testbed/flow.hpp"

#include <fmt/format.h>

namespace hitless::cli::demo {
using testbed::frames_in;
using testbed::frames_in_flight;
using testbed::frames_unheard;

Bound bound_of(Toll toll, const Row &row, const Spec &spec) {
    const bool queues = spec.nic == testbed::NicKind::tap;
    // On two cables, frames sent before and after a flip race each other: the network's doing.
    Bound bound{.reordered = queues || row.event != planned_event};
    const bool interrupted = model_row(spec.model, spec.datapath).nics == PairNetns::hidden ||
                             spec.datapath == HL_DATAPATH_XDP;
    if (toll == Toll::move && interrupted) {
        bound.up_lost = frames_in(row.up.longest_gap_ns, spec.rate);
        bound.down_lost = frames_in(row.down.longest_gap_ns, spec.rate);
    }
    if (toll == Toll::wrong) bound.up_lost = bound.down_lost = row.up.frames + row.down.frames;
    if (toll == Toll::none || toll == Toll::move || toll == Toll::wrong) return bound;
    bound.up_lost = 1 + row.refused;
    bound.down_lost = frames_unheard(row.up, row.down, spec.rate);
    // flush_backlog() in net/core/dev.c: part of a burst had left the guest, and nobody counts it.
    if (!queues && toll == Toll::removal) bound.up_lost += frames_in_flight(row.up, spec.rate);
    if (!queues) return bound;
    bound.up_lost += frames_in(row.up.longest_delay_ns, spec.rate);
    bound.down_lost += frames_in(row.down.longest_delay_ns, spec.rate);
    return bound;
}

std::vector<std::string> judge(const Row &row) {
    std::vector<std::string> out;
    const auto direction = [&](const char *name, const testbed::Tally &seen, std::uint64_t lost) {
        if (seen.frames == 0) out.push_back(fmt::format("{}: no frame was sent", name));
        if (seen.lost > lost)
            out.push_back(fmt::format("{}: {} lost, at most {} allowed", name, seen.lost, lost));
        if (seen.duplicated != 0)
            out.push_back(fmt::format("{}: {} duplicated", name, seen.duplicated));
        if (seen.reordered != 0 && !row.bound.reordered)
            out.push_back(fmt::format("{}: {} reordered", name, seen.reordered));
    };
    if (row.must_lose && row.up.lost + row.down.lost == 0)
        out.emplace_back("nothing was lost, so this test bed cannot show a loss");
    direction("up", row.up, row.bound.up_lost);
    direction("down", row.down, row.bound.down_lost);
    return out;
}

} // namespace hitless::cli::demo
