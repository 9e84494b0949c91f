// SPDX-License-Identifier: BSD-2-Clause
//
// What can be seen of a NIC from outside the product, at this very moment: flags and carrier as the
// kernel holds them, not as it announces them (which may be a second later).
#pragma once

#include "proving/netns.hpp"

#include <cstdint>
#include <string>

namespace hitless::cli::demo {

struct Seen {
    bool present = false;
    bool up = false;
    bool carrier = false;

    std::string text() const; ///< "up, carrier 1"
};

Seen look(const proving::Netns &, const std::string &ifname);

/// Frames that this machine dropped because a CPU did not get round to them (softnet_stat).
std::uint64_t backlog_drops();

} // namespace hitless::cli::demo
