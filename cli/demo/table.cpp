// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/outcome.hpp"

#include <fmt/format.h>
#include <iterator>

namespace hitless::cli::demo {
namespace {

double ms(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

std::string path(const Row &row) {
    if (row.before == row.after) return text(row.after);
    return fmt::format("{} → {}", text(row.before), text(row.after));
}

std::string name(const Row &row) {
    return row.flips ? fmt::format("{} ×{}", row.event, row.flips) : row.event;
}

std::string half(const testbed::Tally &seen) {
    return fmt::format("{:>7} {:>4} {:>3} {:>5} {:>6.1f}", seen.frames, seen.lost, seen.duplicated,
                       seen.reordered, ms(seen.longest_gap_ns));
}

std::string tcp_line(const Report &report) {
    const bool right = report.tcp_up.error == 0 && report.tcp_down.error == 0;
    return fmt::format("TCP up {:.1f} MB, down {:.1f} MB, {}; longest stall {:.0f} and {:.0f} ms\n",
                       static_cast<double>(report.tcp_up.bytes) / 1e6,
                       static_cast<double>(report.tcp_down.bytes) / 1e6,
                       right ? "every byte right" : "BROKEN", ms(report.tcp_up.longest_stall_ns),
                       ms(report.tcp_down.longest_stall_ns));
}

std::string evidence(const Row &row) {
    std::string out = fmt::format("  {:<23} {}", name(row), row.proof);
    if (row.must_lose)
        out += "; must lose";
    else if (row.bound.down_lost)
        out += fmt::format("; may lose {} up, {} down", row.bound.up_lost, row.bound.down_lost);
    return out + (row.retried ? " (second attempt)\n" : "\n");
}

} // namespace

std::string table(const Report &report) {
    std::string out =
        fmt::format("{}\nup: guest to far host, down: far host to guest; gap: longest "
                    "time without a frame, ms\n\n",
                    report.setting);
    auto to = std::back_inserter(out);
    constexpr auto columns = "frames lost dup order    gap";
    fmt::format_to(to, "{:<42} {:^29} {:^29}\n", "", "up", "down");
    fmt::format_to(to, "{:<23} {:<18}  {}   {}\n", "event", "path", columns, columns);
    for (const Row &row : report.rows)
        fmt::format_to(to, "{:<23} {:<18} {}  {}{}\n", name(row), path(row), half(row.up),
                       half(row.down), row.failures.empty() ? "" : " !");
    out += "\nhow each was seen\n";
    for (const Row &row : report.rows)
        out += evidence(row);
    out += '\n' + tcp_line(report);
    for (const std::string &failure : report.failures)
        fmt::format_to(to, "does not hold: {}\n", failure);
    fmt::format_to(to, "{} in {:.1f} s\n",
                   report.ok() ? "all figures hold" : "NOT all figures hold",
                   ms(report.end_ns - report.start_ns) / 1e3);
    return out;
}

} // namespace hitless::cli::demo
