// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/pair_services.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <unistd.h>

namespace hitless::cli {
namespace {

/// Readers in a hurry share one look at the pairs.
constexpr std::chrono::milliseconds snapshot_age{100};

} // namespace

PairServices::PairServices(const Services::Options &options,
                           std::function<void(const std::string &)> log)
    : varlink_({[this] { return snapshot(); }, [] { return FlipReader().read(); },
                [this](const std::string &standby, Target target) {
                    switch_path(standby, target);
                    pairs_at_ = {};
                }}),
      services_(
          options,
          {varlink_, [this] { return metrics_text(snapshot(), getpid(), durations_); }, "control"},
          std::move(log)) {}

void PairServices::flipped(const Flip &flip) {
    durations_.add(flip.pair, std::chrono::duration<double>(now() - flip.time).count());
    services_.publish(Varlink::event(flip));
}

const std::vector<PairStatus> &PairServices::snapshot() {
    if (now() - pairs_at_ >= snapshot_age) {
        pairs_ = status();
        pairs_at_ = now();
    }
    return pairs_;
}

} // namespace hitless::cli
