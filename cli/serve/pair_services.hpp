// SPDX-License-Identifier: BSD-2-Clause
//
// What `hitless run` offers: its pairs.
#pragma once

#include "cli/observe/metrics.hpp"
#include "cli/serve/services.hpp"
#include "cli/serve/varlink.hpp"

namespace hitless::cli {

class PairServices {
  public:
    PairServices(const Services::Options &, std::function<void(const std::string &)> log);

    Services &services() { return services_; }
    void flipped(const Flip &);

  private:
    const std::vector<PairStatus> &snapshot();

    FlipDurations durations_;
    std::vector<PairStatus> pairs_;
    Instant pairs_at_{};
    Varlink varlink_;
    Services services_;
};

} // namespace hitless::cli
