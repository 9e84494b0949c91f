// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/policy.hpp"
#include "maps/hitless_abi.h"

namespace hitless {

const uint64_t policy_bits = HL_VETO(ABSENT) | HL_VETO(DOWN_SEEN) | HL_VETO(LINK_DOWN) |
                             HL_VETO(HOLD_DOWN) | HL_VETO(MTU) | HL_VETO(MAC) | HL_VETO(SYNC);

namespace {

/// Moves the trust along; returns the bits about the link itself that should stand.
uint64_t link_bits(const Policy &policy, Trust &trust, const Observation &seen, Instant now,
                   std::optional<Instant> &again) {
    if (!seen.present || !seen.usable) {
        // Absence is no flap: a device given for the first time owes no hold-down.
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
    Instant trusted_at = *trust.good_since + policy.hold_down;
    if (trust.was_lost && now < trusted_at) {
        again = trusted_at;
        return HL_VETO(HOLD_DOWN);
    }
    trust.was_lost = false;
    return 0;
}

} // namespace

Verdict decide(const Policy &policy, Trust &trust, const Observation &seen, Instant now) {
    Verdict verdict;
    uint64_t want = link_bits(policy, trust, seen, now, verdict.again);
    if (seen.present && !seen.configured) want |= HL_VETO(SYNC);
    if (seen.present && !seen.mtu_fits) want |= HL_VETO(MTU);
    if (seen.present && !seen.mac_matches) want |= HL_VETO(MAC);
    verdict.set = want & ~seen.veto;
    verdict.clear = policy_bits & seen.veto & ~want;
    return verdict;
}

} // namespace hitless
