// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/timeline.hpp"
#include "cli/demo/witness.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "testbed/until.hpp"

#include <map>
#include <string>
#include <utility>

namespace hitless::cli::demo {
namespace {

constexpr std::uint64_t interval = 10'000'000;

using Devices = std::map<std::string, Counts>; // what is absent reads as zero

/// A device that was plugged in anew counts from zero.
double gained(std::uint64_t now, std::uint64_t before) {
    return static_cast<double>(now >= before ? now - before : now);
}

Sample difference(Devices &now, Devices &before, std::uint64_t time, std::uint64_t since) {
    const double scale = static_cast<double>(interval) / static_cast<double>(time - since);
    return {time, scale * gained(now["primary"].tx, before["primary"].tx),
            scale * gained(now["standby"].tx, before["standby"].tx),
            scale * gained(now["primary"].rx, before["primary"].rx),
            scale * gained(now["standby"].rx, before["standby"].rx)};
}

} // namespace

Sampler::Sampler(const testbed::Netns &guest)
    : guest_(guest), thread_([this](const std::stop_token &stop) { run(stop); }) {}

void Sampler::follow(const std::string &netns) {
    nics_ = netns == guest_.name()
                ? nullptr
                : std::make_shared<const testbed::Netns>(testbed::Netns::of_others(netns));
}

Timeline Sampler::finish() {
    thread_.request_stop();
    thread_.join();
    return std::move(timeline_);
}

void Sampler::run(const std::stop_token &stop) {
    const testbed::NetnsGuard inside(guest_);
    FlipReader flips;
    std::uint64_t since = testbed::now_ns();
    Devices before = device_counts();
    while (!stop.stop_requested()) {
        testbed::pace(since + interval);
        const std::uint64_t time = testbed::now_ns();
        const auto nics = nics_.load();
        Devices now = nics ? testbed::in_netns(*nics, device_counts) : device_counts();
        timeline_.samples.push_back(difference(now, before, time, since));
        before = std::move(now);
        since = time;
        look_for_flips(flips);
    }
}

void Sampler::look_for_flips(FlipReader &reader) {
    // Flips carry CLOCK_BOOTTIME.
    const auto offset = static_cast<std::uint64_t>(now().count()) - testbed::now_ns();
    try {
        reader.rescan();
        for (const Flip &flip : reader.read())
            timeline_.flips.push_back(
                {static_cast<std::uint64_t>(flip.time.count()) - offset, flip.to_primary});
    } catch (const Error &) {
        // A pair that is being made or taken apart at this moment; the next look sees it whole.
    }
}

} // namespace hitless::cli::demo
