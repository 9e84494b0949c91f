// SPDX-License-Identifier: BSD-2-Clause
//
// The words of the demo: an event of the story as data, and what became of it as a row.
#pragma once

#include "testbed/ledger.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace hitless::cli::demo {

class Stage;

enum class Path { none, standby, primary };

inline const char *text(Path path) {
    return path == Path::none ? "none" : path == Path::primary ? "primary" : "standby";
}

/// What an event may cost. A fault takes the frames the network had in flight towards the dead
/// port; a removal also those that the other end of the cable had not yet looked at. What is
/// announced beforehand, and every return, takes nothing. A move costs nothing, but where the model
/// puts the NICs elsewhere, or the datapath has the user move the addresses. What the product never
/// does must lose, or the test bed would show nothing. Nothing ever duplicates.
enum class Toll { none, fault, removal, move, wrong };

struct Event {
    const char *name;
    Path after; ///< the path that must come into use
    Toll toll;
    /// Makes it happen; returns how that was seen from outside the product. Throws when it was not.
    std::string (*act)(Stage &);
    void (*undo)(Stage &); ///< brings the path before back, for a second attempt
};

/// What a row may show at most.
struct Bound {
    std::uint64_t up_lost = 0;
    std::uint64_t down_lost = 0;
    bool reordered = false; ///< allowed: two cables may overtake each other
};

struct Row {
    std::string event;
    Path before = Path::none;
    Path after = Path::none;
    testbed::Tally up, down;
    std::uint64_t at_ns = 0, end_ns = 0; ///< CLOCK_MONOTONIC
    std::uint64_t refused = 0;           ///< by the primary itself, which was dying
    unsigned flips = 0;                  ///< of a planned switch
    std::string proof;
    Bound bound;
    std::string starved; ///< evidence that the machine itself lost frames; empty when none
    bool retried = false;
    bool must_lose = false;
    std::vector<std::string> failures;
};

} // namespace hitless::cli::demo
