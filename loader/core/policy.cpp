// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/policy.hpp"
#include "maps/hitless_abi.h"

#include <algorithm>

namespace hitless {

const uint64_t policy_bits = HL_VETO(ABSENT) | HL_VETO(DOWN_SEEN) | HL_VETO(LINK_DOWN) |
                             HL_VETO(UNPROVEN) | HL_VETO(HOLD_DOWN) | HL_VETO(MTU) | HL_VETO(MAC) |
                             HL_VETO(SYNC);

namespace {

/// The doubts in the word say what others did since: HOLD_DOWN is there before us when a controller
/// that is no more left it, and what we left is gone when an operator overruled it.
void learn_from_word(Trust &trust, uint64_t veto) {
    uint64_t doubts = veto & HL_VETO_SOFT;
    if (doubts & HL_VETO(HOLD_DOWN) && !trust.doubts) trust.was_lost = true;
    if (!doubts && trust.doubts) {
        trust.was_lost = false;
        trust.returned.reset();
        trust.good_since = Instant{0};
    }
}

/// Moves the trust along; returns the bits about the link itself that should stand.
uint64_t link_bits(Trust &trust, const Observation &seen, Instant now) {
    if (!seen.present || !seen.usable) {
        // Absence is no loss of the link: a device given again much later owes no wait for it.
        trust.was_lost = seen.present && (trust.was_lost || trust.good_since.has_value());
        trust.good_since.reset();
        return seen.present ? HL_VETO(LINK_DOWN) : HL_VETO(ABSENT);
    }
    if (seen.veto & HL_VETO(DOWN_SEEN)) {
        // A loss so short that only a frame saw it starts the wait anew.
        trust.was_lost = true;
        trust.good_since.reset();
    }
    if (!trust.good_since) trust.good_since = now;
    return 0;
}

/// When the hold-down of a primary with no other reason against it is over.
Instant held_until(const Policy &policy, const Trust &trust) {
    Instant at{0};
    if (trust.was_lost) at = *trust.good_since + policy.hold_down;
    if (trust.returned) at = std::max(at, *trust.returned + policy.hold_down);
    return at;
}

} // namespace

Verdict decide(const Policy &policy, Trust &trust, const Observation &seen, Instant now) {
    learn_from_word(trust, seen.veto);
    Verdict verdict;
    uint64_t want = link_bits(trust, seen, now);
    if (seen.present && !seen.configured) want |= HL_VETO(SYNC);
    if (seen.present && !seen.mtu_fits) want |= HL_VETO(MTU);
    if (seen.present && !seen.mac_matches) want |= HL_VETO(MAC);
    bool ours_stood = seen.veto & policy_bits;
    if (!want && ours_stood) {
        Instant held = held_until(policy, trust), ready = *trust.good_since + policy.up_delay;
        if (now < held)
            want = HL_VETO(HOLD_DOWN);
        else if (now < ready)
            want = HL_VETO(UNPROVEN);
        if (want) verdict.again = std::max(held, ready);
    }
    if (!want) {
        trust.was_lost = false;
        if (ours_stood) trust.returned = now;
    }
    trust.doubts = want & HL_VETO_SOFT;
    verdict.set = want & ~seen.veto;
    verdict.clear = policy_bits & seen.veto & ~want;
    return verdict;
}

} // namespace hitless
