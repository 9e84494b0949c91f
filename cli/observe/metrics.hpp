// SPDX-License-Identifier: BSD-2-Clause
//
// Pairs as Prometheus reads them (docs/observing.md lists the names). Text in, nothing kept but the
// histogram of flip durations, which only a controller can fill.
#pragma once

#include "loader/api.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace hitless::cli {

/// How long flips took from the datapath's decision until the controller had told the network.
class FlipDurations {
  public:
    static constexpr std::array<double, 8> bounds = {0.0001, 0.0003, 0.001, 0.003,
                                                     0.01,   0.03,   0.1,   1};
    struct Histogram {
        std::array<uint64_t, bounds.size()> within{}; ///< flips not longer than the bound
        uint64_t flips = 0;
        double seconds = 0;
    };

    void add(const std::string &pair, double seconds);
    const std::map<std::string, Histogram> &pairs() const { return pairs_; }

  private:
    std::map<std::string, Histogram> pairs_;
};

/// The text exposition format, version 0.0.4. `controller`: its pid, if there is one.
std::string metrics_text(const std::vector<PairStatus> &, std::optional<int> controller,
                         const FlipDurations & = {});

/// Replaces `file` by `text` in one step: a reader sees the old or the new, never half. Throws.
void write_atomically(const std::string &file, const std::string &text);

} // namespace hitless::cli
