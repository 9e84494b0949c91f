// SPDX-License-Identifier: BSD-2-Clause
#include "cli/watch/view.hpp"
#include "cli/output/pairs_table.hpp"
#include "loader/core/names.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless::cli {
namespace {

/// Frames a second of one counter between two looks at a pair.
class Rates {
  public:
    Rates(const PairStatus &pair, const Sample &now, const Sample &before) : pair_(pair) {
        seconds_ = std::chrono::duration<double>(now.time - before.time).count();
        auto at = std::ranges::find(before.pairs, pair.name, &PairStatus::name);
        if (at != before.pairs.end()) before_ = &*at;
    }

    double operator[](hl_counter which) const {
        if (!before_ || seconds_ <= 0) return 0;
        uint64_t then = before_->counters.frames[which], now = pair_.counters.frames[which];
        return now > then ? static_cast<double>(now - then) / seconds_ : 0; // made anew: 0
    }

  private:
    const PairStatus &pair_;
    const PairStatus *before_ = nullptr;
    double seconds_;
};

std::string nic_line(const char *role, const NicStatus &nic, double sent, double received) {
    return fmt::format("  {:<8} {:<28} tx {:>12.0f}/s  rx {:>12.0f}/s", role, nic_cell(nic), sent,
                       received);
}

void add_pair(const PairStatus &pair, const Rates &rates, std::vector<Line> &out) {
    out.push_back({});
    out.push_back(
        {fmt::format("{}  {} active, {}, {} flips", pair.name, path_name(pair.primary_active),
                     pair.healthy() ? "healthy" : "degraded", pair.flips),
         pair.healthy() ? Line::bold : Line::alarm});
    out.push_back({nic_line("primary", pair.primary, rates[HL_COUNT_TX_PRIMARY],
                            rates[HL_COUNT_RX_PRIMARY])});
    out.push_back({nic_line("standby", pair.standby, rates[HL_COUNT_TX_STANDBY],
                            rates[HL_COUNT_RX_STANDBY])});
    out.push_back({fmt::format("  dropped  twins {:.0f}/s, echoes {:.0f}/s",
                               rates[HL_COUNT_DROP_TWIN], rates[HL_COUNT_DROP_ECHO])});
    out.push_back({pair.veto
                       ? fmt::format("  veto     {}", fmt::join(reason_names(pair.veto), ", "))
                       : "  veto     none"});
    for (const Problem &problem : pair.problems)
        out.push_back({"  problem  " + problem.text(), Line::alarm});
}

/// Interface names may be any bytes; a terminal obeys some of them.
void fit(Line &line, unsigned columns) {
    for (char &letter : line.text)
        if (letter < ' ' || letter > '~') letter = '?';
    if (line.text.size() > columns) line.text.resize(columns);
}

} // namespace

std::vector<Line> view(const Sample &now, const Sample &before,
                       const std::deque<std::string> &flips, unsigned columns, unsigned rows) {
    std::vector<Line> out;
    out.push_back({fmt::format(
        "hitless: {} pair{}, {}; q quits", now.pairs.size(), now.pairs.size() == 1 ? "" : "s",
        now.controller ? fmt::format("controller {}", *now.controller) : "no controller")});
    if (now.pairs.empty()) out.push_back({"nothing attached"});
    for (const PairStatus &pair : now.pairs)
        add_pair(pair, Rates(pair, now, before), out);
    for (const UnreadablePair &pair : now.unreadable)
        out.push_back(
            {fmt::format("{} cannot be read: {}", pair.standby, pair.why.problem()), Line::alarm});
    out.push_back({});
    out.push_back({"last flips", Line::bold});
    if (flips.empty()) out.push_back({"  none"});
    for (const std::string &flip : flips)
        out.push_back({"  " + flip});
    if (out.size() > rows) out.resize(rows);
    for (Line &line : out)
        fit(line, columns);
    return out;
}

} // namespace hitless::cli
