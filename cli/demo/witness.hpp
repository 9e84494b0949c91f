// SPDX-License-Identifier: BSD-2-Clause
//
// What can be seen of a NIC from outside the product, at this very moment: flags and carrier as the
// kernel holds them, not as it announces them (which may be a second later).
#pragma once

#include "testbed/netns.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace hitless::cli::demo {

struct Seen {
    bool present = false;
    bool up = false;
    bool carrier = false;

    std::string text() const; ///< "up, carrier 1"
};

Seen look(const testbed::Netns &, const std::string &ifname);

/// What a device counted since it was made.
struct Counts {
    std::uint64_t rx = 0, tx = 0;
    std::uint64_t refused = 0; ///< frames it was given to send and dropped
};

/// Of every device of the calling thread's network namespace, by name.
std::map<std::string, Counts> device_counts();

/// Frames that this machine dropped because a CPU did not get round to them (softnet_stat).
std::uint64_t backlog_drops();

} // namespace hitless::cli::demo
