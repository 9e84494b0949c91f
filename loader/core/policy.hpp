// SPDX-License-Identifier: BSD-2-Clause
//
// What the controller thinks of a primary. Pure: what was observed and the time in, veto bits to
// set and to clear out. Replaying the same observations gives the same bits.
//
// The datapath leaves a dead primary by itself; policy decides when it may come back. A primary
// must have had carrier for the up-delay, because the network behind it is ready later than it is;
// one that was lost must stay good for the hold-down. Whatever flaps, link, device or MTU: one
// return in a hold-down at most, unless an operator says otherwise.
#pragma once

#include "loader/core/types.hpp"

#include <optional>

namespace hitless {

struct Policy {
    std::chrono::milliseconds hold_down{200};
    /// As bonding's updelay: a switch port (or a veth's other end) learns the guest's address
    /// before it forwards, and what it then sends to a port that is not ready is lost.
    std::chrono::milliseconds up_delay{20};
};

/// The pair at one moment.
struct Observation {
    bool present = false;    ///< a primary is there, with our programs on it
    bool usable = false;     ///< up, with carrier
    bool configured = false; ///< MTU, flags and address could be brought in line
    bool mtu_fits = true;    ///< carries the master's MTU
    bool mac_matches = true;
    uint64_t veto = 0; ///< the veto word as it stands
};

/// What policy remembers between two decisions.
struct Trust {
    std::optional<Instant> good_since;
    std::optional<Instant> returned; ///< when the primary was last given back
    bool was_lost = false;           ///< since it was last used without a doubt
    bool doubts = false;             ///< we left a soft bit standing
};

struct Verdict {
    uint64_t set = 0;             ///< bits to set, before those below are cleared
    uint64_t clear = 0;           ///< bits to clear
    std::optional<Instant> again; ///< when to decide again though nothing happened
};

/// The veto bits that policy owns. DOWN_SEEN is set by the datapath and only cleared here.
extern const uint64_t policy_bits;

Verdict decide(const Policy &, Trust &, const Observation &, Instant now);

} // namespace hitless
