// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/json.hpp"
#include "cli/demo/outcome.hpp"

#include <nlohmann/json.hpp>

namespace hitless::cli::demo {
namespace {

using Json = nlohmann::ordered_json;

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

Json direction(const testbed::Tally &seen, std::uint64_t lost_bound) {
    return {{"frames", seen.frames},
            {"lost", seen.lost},
            {"duplicated", seen.duplicated},
            {"reordered", seen.reordered},
            {"gap_ms", seconds(seen.longest_gap_ns) * 1e3},
            {"lost_bound", lost_bound}};
}

Json event(const Row &row, std::uint64_t start_ns) {
    Json out{{"event", row.event},
             {"before", text(row.before)},
             {"after", text(row.after)},
             {"up", direction(row.up, row.bound.up_lost)},
             {"down", direction(row.down, row.bound.down_lost)},
             {"at_s", seconds(row.at_ns - start_ns)},
             {"proof", row.proof},
             {"refused", row.refused},
             {"retried", row.retried},
             {"failures", row.failures}};
    if (row.flips) out["flips"] = row.flips;
    return out;
}

Json stream(const testbed::BulkReport &tcp) {
    return {{"bytes", tcp.bytes},
            {"longest_stall_s", seconds(tcp.longest_stall_ns)},
            {"intact", tcp.error == 0 && !tcp.wrong_at}};
}

} // namespace

std::string json(const Report &report) {
    Json events = Json::array();
    for (const Row &row : report.rows)
        events.push_back(event(row, report.start_ns));
    const Json out{{"version", json_version},
                   {"ok", report.ok()},
                   {"events", events},
                   {"tcp", {{"up", stream(report.tcp_up)}, {"down", stream(report.tcp_down)}}},
                   {"setting", report.setting},
                   {"duration_s", seconds(report.end_ns - report.start_ns)},
                   {"failures", report.failures}};
    return to_text(out) + '\n';
}

} // namespace hitless::cli::demo
