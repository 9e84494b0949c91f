// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/policy.hpp"

#include <algorithm>

namespace hitless {

const uint64_t policy_bits = HL_VETO(ABSENT) | HL_VETO(DOWN_SEEN) | HL_VETO(LINK_DOWN) |
                             HL_VETO(UNPROVEN) | HL_VETO(HOLD_DOWN) | HL_VETO(BLACK_HOLE) |
                             HL_VETO(TX_HANG) | HL_VETO(MTU) | HL_VETO(MAC) | HL_VETO(SYNC) |
                             HL_VETO(GONE) | HL_VETO(STICKY);

namespace {

constexpr Instant least_hole_wait = milliseconds(100), most_hole_wait = std::chrono::minutes(1);
constexpr unsigned most_doublings = 16;
constexpr int peace = 8; // a good period of so many waits takes one doubling back

/// Soft bits of the word tell what others did: those that we did not set are of a controller before
/// us, and where those that we set are gone an operator has overruled them.
void learn_from_word(Trust &trust, uint64_t veto) {
    uint64_t doubts = veto & HL_VETO_SOFT;
    if (doubts & HL_VETO(HOLD_DOWN) && !trust.doubts) trust.was_lost = true;
    if (doubts & HL_VETO(STICKY) && !trust.doubts) trust.was_used = trust.was_left = true;
    if (!doubts && trust.doubts) {
        trust.was_lost = trust.was_hole = trust.was_left = false;
        trust.returned.reset();
        trust.good_since = Instant{0};
    }
    if (!veto) trust.was_used = true;
}

/// Moves the trust along; returns the bits about the link itself that should stand.
uint64_t link_bits(Trust &trust, const Observation &seen, Instant now) {
    if (!seen.present || !seen.usable || !seen.answers) {
        // Absence is no loss of the link: a device given again much later owes no wait for it.
        trust.was_lost = seen.present && (trust.was_lost || trust.good_since.has_value());
        trust.good_since.reset();
        if (!seen.present) return HL_VETO(ABSENT);
        return seen.answers ? HL_VETO(LINK_DOWN) : HL_VETO(GONE);
    }
    if (seen.veto & HL_VETO(DOWN_SEEN)) {
        // A loss so short that only a frame saw it starts the wait anew.
        trust.was_lost = true;
        trust.good_since.reset();
    }
    if (!trust.good_since) trust.good_since = now;
    return 0;
}

/// One more hole, if the primary was in use since the last one.
void relapse(const Policy &policy, Trust &trust, Instant now) {
    if (trust.was_hole) return;
    trust.was_hole = true;
    Instant quiet = trust.returned ? now - *trust.returned : Instant(0);
    for (; trust.relapses && quiet >= peace * restore_wait(policy, trust.relapses);
         trust.relapses--)
        quiet -= peace * restore_wait(policy, trust.relapses);
    trust.relapses++;
}

/// The bits about the path behind the link.
uint64_t path_bits(const Policy &policy, Trust &trust, const Observation &seen, Instant now) {
    if (seen.path == PathVerdict::proved) {
        trust.hole = 0;
        if (!trust.proved_since) trust.proved_since = now;
        return 0;
    }
    trust.proved_since.reset();
    if (seen.path == PathVerdict::unproven) return HL_VETO(UNPROVEN);
    relapse(policy, trust, now);
    trust.was_left = true;
    if (!trust.hole) // the name that stands, stays
        trust.hole = seen.veto & (HL_VETO(BLACK_HOLE) | HL_VETO(TX_HANG));
    if (!trust.hole) trust.hole = seen.completes ? HL_VETO(BLACK_HOLE) : HL_VETO(TX_HANG);
    return trust.hole;
}

/// When the hold-down of a primary with no other reason against it is over.
Instant held_until(const Policy &policy, const Trust &trust) {
    Instant at{0};
    if (trust.was_lost) at = *trust.good_since + policy.hold_down;
    if (trust.returned) at = std::max(at, *trust.returned + policy.hold_down);
    if (trust.was_hole && trust.proved_since)
        at = std::max(at, *trust.proved_since + restore_wait(policy, trust.relapses));
    return at;
}

bool sticks(const Policy &policy, const Trust &trust, const Observation &seen) {
    if (!trust.was_used || !trust.was_left || policy.reselect == HL_RESELECT_ALWAYS) return false;
    return policy.reselect == HL_RESELECT_FAILURE || !seen.faster;
}

} // namespace

Instant restore_wait(const Policy &policy, unsigned relapses) {
    Instant first = std::max<Instant>(policy.hold_down, least_hole_wait);
    unsigned doublings = std::min(relapses ? relapses - 1 : 0, most_doublings);
    return std::max(first, std::min<Instant>(first * (1LL << doublings), most_hole_wait));
}

Verdict decide(const Policy &policy, Trust &trust, const Observation &seen, Instant now) {
    learn_from_word(trust, seen.veto);
    Verdict verdict;
    uint64_t want = link_bits(trust, seen, now);
    trust.was_left |= want != 0 || trust.was_lost;
    if (!want) want |= path_bits(policy, trust, seen, now);
    if (seen.present && !seen.configured) want |= HL_VETO(SYNC);
    if (seen.present && !seen.mtu_fits) want |= HL_VETO(MTU);
    if (seen.present && !seen.mac_matches) want |= HL_VETO(MAC);
    bool ours_stood = seen.veto & policy_bits;
    // A lost link is held down first and proved then, so that a wait costs one proof (prover.hpp).
    bool unproven_after_loss = want == HL_VETO(UNPROVEN) && trust.was_lost;
    if ((!want || unproven_after_loss) && ours_stood) {
        Instant held = held_until(policy, trust);
        Instant ready = *trust.good_since + policy.probing.up_delay;
        if (now < held)
            want |= HL_VETO(HOLD_DOWN);
        else if (now < ready)
            want |= HL_VETO(UNPROVEN);
        if (now < std::max(held, ready)) verdict.again = std::max(held, ready);
    }
    if (!want && ours_stood && sticks(policy, trust, seen)) want = HL_VETO(STICKY);
    if (!want) {
        trust.was_lost = trust.was_hole = trust.was_left = false;
        if (ours_stood) trust.returned = now;
    }
    trust.doubts = want & HL_VETO_SOFT;
    verdict.set = want & ~seen.veto;
    verdict.clear = policy_bits & seen.veto & ~want;
    return verdict;
}

} // namespace hitless
