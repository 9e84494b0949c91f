// SPDX-License-Identifier: BSD-2-Clause
//
// Which path carried how many frames when, as the guest's devices count them: the picture does not
// rest on the product's own word. Sampled every 10 ms by a thread in the guest's namespace.
#pragma once

#include "loader/api.hpp"
#include "testbed/netns.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace hitless::cli::demo {

/// Frames in one interval, brought to exactly 10 ms.
struct Sample {
    std::uint64_t time_ns = 0; ///< CLOCK_MONOTONIC, end of the interval
    double up_primary = 0, up_standby = 0, down_primary = 0, down_standby = 0;
};

struct FlipMark {
    std::uint64_t time_ns = 0; ///< CLOCK_MONOTONIC
    bool to_primary = false;
};

struct Timeline {
    std::vector<Sample> samples;
    std::vector<FlipMark> flips;
};

class Sampler {
  public:
    explicit Sampler(const testbed::Netns &guest);
    /// From now on the NICs are in the namespace of this name.
    void follow(const std::string &netns);
    Timeline finish();

  private:
    void run(const std::stop_token &);
    void look_for_flips(FlipReader &);

    const testbed::Netns &guest_;
    std::atomic<std::shared_ptr<const testbed::Netns>> nics_; // empty: the guest's
    Timeline timeline_;
    std::jthread thread_; // last: it must not outlive what it fills
};

} // namespace hitless::cli::demo
