// SPDX-License-Identifier: BSD-2-Clause
//
// What the controller thinks of a primary. Pure: what was observed and the time in, veto bits to
// set and to clear out. Replaying the same observations gives the same bits.
//
// The datapath leaves a dead primary by itself; policy decides when it may come back. A primary
// must have had carrier for the up-delay, because the network behind it is ready later than it is,
// and its path must be proved; one that was lost must stay good for the hold-down. Whatever flaps,
// link, device or MTU: one return in a hold-down at most, unless an operator says otherwise. A path
// that turned out a hole must stay proved without a gap, for longer with each relapse: 1, 2, 4 ...
// hold-downs, up to a minute; peace that lasts eight times the wait takes one doubling back.
#pragma once

#include "loader/core/prover.hpp"
#include "loader/core/types.hpp"
#include "maps/hitless_abi.h"

#include <optional>

namespace hitless {

struct Policy {
    milliseconds hold_down{200};
    Probing probing{};
    hl_reselect reselect = HL_RESELECT_ALWAYS;
    hl_announce announce = HL_ANNOUNCE_AUTO;
    hl_carrier carrier = HL_CARRIER_KEEP;
};

/// The pair at one moment.
struct Observation {
    bool present = false;    ///< a primary is there, with our programs on it
    bool usable = false;     ///< up, with carrier
    bool configured = false; ///< MTU, flags and address could be brought in line
    bool mtu_fits = true;    ///< carries the master's MTU
    bool mac_matches = true;
    bool answers = true;                    ///< its slot on the bus does
    bool faster = true;                     ///< than the standby, as far as their speeds are known
    PathVerdict path = PathVerdict::proved; ///< what the prover thinks
    bool completes = true;                  ///< the device goes on counting sent frames
    uint64_t veto = 0;                      ///< the veto word as it stands
};

/// What policy remembers between two decisions.
struct Trust {
    std::optional<Instant> good_since;
    std::optional<Instant> proved_since; ///< without a gap
    std::optional<Instant> returned;     ///< when the primary was last given back
    bool was_lost = false;               ///< since it was last used without a doubt
    bool was_hole = false;               ///< likewise
    uint64_t doubts = 0;                 ///< the soft bits that we left standing
    bool was_used = false;               ///< this pair has had a primary in use
    bool was_left = false;               ///< for a fault of its own, since
    uint64_t hole = 0;                   ///< the name under which a hole was reported
    unsigned relapses = 0;               ///< holes that no long good period has made up for yet
};

struct Verdict {
    uint64_t set = 0;             ///< bits to set, before those below are cleared
    uint64_t clear = 0;           ///< bits to clear
    std::optional<Instant> again; ///< when to decide again though nothing happened
};

/// The veto bits that policy owns. DOWN_SEEN is set by the datapath and only cleared here.
extern const uint64_t policy_bits;

Verdict decide(const Policy &, Trust &, const Observation &, Instant now);

/// How long a path with so many relapses must stay proved.
Instant restore_wait(const Policy &, unsigned relapses);

} // namespace hitless
