// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/prover.hpp"
#include "maps/hitless_abi.h"

#include <algorithm>
#include <utility>

namespace hitless {
namespace {

// Parts of the interval, in percent, that are waited for an answer. With the default of 20 ms a
// hole is left 20 + 6 + 4 + 4 + 4 = 38 ms after it opened, or sooner.
constexpr int first_wait = 30, next_wait = 20;
constexpr int idle_wait = 10;     // the network sends the guest's frames here meanwhile: be brief
constexpr unsigned questions = 3; // to the primary before the standby is asked
// Frames that come in steadily are missed after two looks in a row without one, so after 16 to 24
// ms of silence by default: a steady 100 frames a second may be 6 ms out of step.
constexpr int look_pace = 40; // percent of the interval
constexpr unsigned looks = 2;
constexpr Instant steady_gap = std::chrono::microseconds(12'500); // between two frames, on average
constexpr uint64_t least_inflow = 5; // frames; fewer are the answers to our own questions
constexpr unsigned comparisons = 2;  // questions to the standby
constexpr Instant search_in_vain = std::chrono::seconds(1); // as often as the guest's own kernel
constexpr Instant least_rest = milliseconds(300), target_search = milliseconds(100),
                  most_rest = std::chrono::seconds(10), most_patience = std::chrono::seconds(1);
constexpr int way_in_timeouts = 5;   // answered, but nothing has come in yet
constexpr int refuted_timeouts = 25; // it was a hole, and now nobody answers anywhere

constexpr uint64_t prover_bits = HL_VETO(UNPROVEN) | HL_VETO(BLACK_HOLE) | HL_VETO(TX_HANG);
/// Under these the primary is wanted: it will be used as soon as they are gone.
constexpr uint64_t passing = prover_bits | HL_VETO(HOLD_DOWN);
constexpr uint64_t lost = HL_VETO(ABSENT) | HL_VETO(LINK_DOWN) | HL_VETO(DOWN_SEEN);

bool paused(uint64_t veto) {
    return veto & ~(passing | lost);
}

} // namespace

PathVerdict Prover::verdict() const {
    switch (phase_) {
    case Phase::proving: return refuted_ ? PathVerdict::refuted : PathVerdict::unproven;
    case Phase::fresh:
    case Phase::down:
    case Phase::trial: return PathVerdict::unproven;
    default: return PathVerdict::proved;
    }
}

void Prover::answered(Side by, Instant asked, Instant now) {
    slowest_ = std::max(now - asked, slowest_ - slowest_ / 8);
    mute_ = 0;
    if (by == Side::standby) {
        standby_answered_ = true;
        standby_answered_at_ = now;
    } else {
        primary_answered_ = way_out_ = target_known_ = evident_ = true;
    }
}

Prover::Actions Prover::step(const Probing &how, const Input &seen, Instant now) {
    Context context{how, seen, now};
    enter(context);
    if (phase_ == Phase::proving) prove(context);
    if (phase_ == Phase::awaiting) await(context);
    if (phase_ == Phase::comparing || phase_ == Phase::trial) compare(context);
    if (phase_ == Phase::trusted) trust(context);
    return context.actions;
}

/// What happened to the pair meanwhile.
void Prover::enter(Context &context) {
    const Input &seen = context.seen;
    if (!seen.usable) {
        phase_ = Phase::down;
        evident_ = false;
        return;
    }
    if (phase_ == Phase::fresh) { // what another prover thought is in the word
        phase_ = Phase::trusted;
        bool was_hole = seen.veto & (HL_VETO(BLACK_HOLE) | HL_VETO(TX_HANG));
        if (seen.veto & (passing | lost)) begin_proving(context, was_hole);
    }
    if (phase_ == Phase::down || seen.veto & HL_VETO(DOWN_SEEN)) begin_proving(context, refuted_);
    if (std::exchange(accused_, false)) begin_proving(context, true);
    if (phase_ == Phase::proving) {
        // Gone without our doing: an operator knows better.
        if (stood_ && !(seen.veto & prover_bits)) {
            phase_ = Phase::trusted;
            evident_ = true;
        }
        stood_ |= (seen.veto & prover_bits) != 0;
        return;
    }
    bool diverted = phase_ == Phase::trial && seen.veto == HL_VETO(UNPROVEN);
    bool in_doubt = phase_ == Phase::comparing || phase_ == Phase::trial;
    if ((in_doubt && seen.veto && !diverted) || paused(seen.veto)) phase_ = Phase::trusted;
}

void Prover::begin_proving(const Context &context, bool refuted) {
    phase_ = Phase::proving;
    refuted_ = refuted;
    since_ = context.now;
    due_ = context.now + (refuted ? least_rest : Instant(context.how.up_delay));
    received_ = context.seen.received;
    round_open_ = way_out_ = against_ = stood_ = primary_answered_ = standby_answered_ = false;
    evident_ = false;
}

/// In rounds: the primary is asked, then the standby, which also moves the network's tables back to
/// where the guest's frames go.
void Prover::prove(Context &context) {
    const Probing &how = context.how;
    if (paused(context.seen.veto)) {
        since_ = context.now;
        return;
    }
    // Each question moves the network's tables here and the next one back, and at each move frames
    // overtake those that are still on the slower path. So one proof, when it is about to be used;
    // the time in which nobody was asked is no time in which nobody answered.
    if (context.seen.veto & HL_VETO(HOLD_DOWN) && !refuted_) {
        if (context.seen.ways) since_ = std::max(since_, context.now - Instant(how.up_delay));
        return;
    }
    if (is_proved(context)) {
        phase_ = Phase::trusted;
        return;
    }
    if (how.interval.count() == 0 || !context.seen.ways) {
        context.actions.again = since_ + how.up_delay + unasked(how);
        return;
    }
    if (round_open_) {
        if (!primary_answered_ && !overdue(context, idle_wait)) return;
        round_open_ = false;
        due_ = round_ + (primary_answered_ ? how.interval : vain_pace(context));
        ask(context, Side::standby);
    } else if (context.now >= due_) {
        against_ |= standby_answered_ && !primary_answered_ && !unsent_;
        context.actions.next_target = asked_ >= since_ && !standby_answered_ && !primary_answered_;
        primary_answered_ = standby_answered_ = false;
        round_open_ = true;
        ask(context, Side::primary);
        context.actions.again = context.now + patience(how, idle_wait);
        return;
    }
    context.actions.again = due_;
}

bool Prover::is_proved(const Context &context) const {
    const Probing &how = context.how;
    Instant waited = context.now - since_ - how.up_delay;
    if (waited < Instant(0)) return false;
    if (how.interval.count() == 0) return waited >= unasked(how);
    bool way_in = context.seen.received != received_;
    if (!context.seen.ways) return (way_in && !refuted_) || waited >= unasked(how);
    if (way_out_) return way_in || (!refuted_ && waited >= way_in_timeouts * how.timeout);
    if (against_ || standby_answered_ || unsent_) return false;
    return waited >= unasked(how);
}

/// What is waited for evidence that nobody can give.
Instant Prover::unasked(const Probing &how) const {
    if (refuted_) return refuted_timeouts * Instant(how.timeout);
    return how.interval.count() ? how.timeout : milliseconds(0);
}

/// From one vain round to the next: the longer it has been in vain, the slower.
Instant Prover::vain_pace(const Context &context) const {
    Instant least = refuted_ ? least_rest : (against_ ? 5 : 1) * context.how.interval;
    return std::clamp<Instant>((context.now - since_) / 8, least, most_rest);
}

void Prover::trust(Context &context) {
    const Probing &how = context.how;
    Actions &actions = context.actions;
    if (how.interval.count() == 0 || paused(context.seen.veto)) return;
    bool in_use = !context.seen.veto;
    if (in_use) refuted_ = false;
    // A frame since the last question is worth one question, an interval after the last; so a word
    // of the guest's kernel now and then does not start the pace of a guest that sends.
    if (context.seen.sent != sent_)
        quiet_ = false;
    else if (context.now >= round_ + how.interval)
        quiet_ = true;
    bool quiet = in_use && quiet_;
    actions.wake_on_frame = quiet;
    Instant pace = quiet ? how.rest : how.interval;
    if (mute_ && mute_ >= context.seen.ways && pace.count())
        pace = !context.seen.unresolved ? std::max<Instant>(how.rest, least_rest)
               : quiet                  ? most_rest
                                        : search_in_vain;
    if (!context.seen.ways && pace.count()) pace = quiet ? most_rest : target_search;
    if (pace.count() == 0) return;
    actions.again = round_ + pace;
    const bool stopped = quiet && inflow_stopped(context);
    if (!stopped && context.now < round_ + pace) return;
    sent_ = context.seen.sent;
    if (!context.seen.ways) {
        round_ = context.now;
        actions.again = round_ + pace;
        return;
    }
    measure_inflow(context);
    phase_ = Phase::awaiting;
    tries_ = stopped ? 2 : 1; // that silence counts as the first
    primary_answered_ = standby_answered_ = false;
    doubted_since_ = context.now;
    received_ = context.seen.received;
    round_ = context.now;
    ask(context, Side::primary);
    actions.again = context.now + patience(how, !in_use   ? idle_wait
                                                : stopped ? next_wait
                                                          : first_wait);
}

/// Since the last question; what came is enough to be missed when it stays away.
void Prover::measure_inflow(const Context &context) {
    const uint64_t frames = context.seen.received - received_;
    inflow_.steady =
        frames >= least_inflow && static_cast<int64_t>(frames) * steady_gap >= context.now - round_;
    inflow_.received = context.seen.received;
    inflow_.looked = context.now;
    inflow_.empty_looks = 0;
}

/// Looks at the counter when it is time to; says whether a steady flow has ended.
bool Prover::inflow_stopped(Context &context) {
    if (!inflow_.steady || mute_) return false;
    const Instant pace = Instant(context.how.interval) * look_pace / 100;
    if (context.now >= inflow_.looked + pace) {
        const bool empty = context.seen.received == inflow_.received;
        inflow_.empty_looks = empty ? inflow_.empty_looks + 1 : 0;
        inflow_.received = context.seen.received;
        inflow_.looked = context.now;
    }
    context.actions.again = std::min(*context.actions.again, inflow_.looked + pace);
    return inflow_.empty_looks >= looks;
}

void Prover::await(Context &context) {
    bool idle = context.seen.veto; // wanted, but frames go by the standby
    if (primary_answered_) {
        if (idle) ask(context, Side::standby); // moves the network's tables back
        phase_ = Phase::trusted;
        return;
    }
    if (!overdue(context, idle ? idle_wait : tries_ == 1 ? first_wait : next_wait)) return;
    if (unsent_ && idle) {
        phase_ = Phase::trusted;
        return;
    }
    if (unsent_ && (context.seen.completes || context.now - doubted_since_ < context.how.timeout)) {
        if (context.seen.completes) doubted_since_ = context.now;
        context.actions.suspicious = true;
        ask(context, Side::primary); // in place of the one that was not sent
        context.actions.again = context.now + patience(context.how, next_wait);
        return;
    }
    if (idle) {
        begin_proving(context, refuted_); // what is not in use must prove itself without a gap
        ask(context, Side::standby);
        context.actions.again = due_;
        return;
    }
    context.actions.suspicious = true;
    if (target_known_ && tries_ < questions) {
        tries_++;
        ask(context, Side::primary);
        context.actions.again = context.now + patience(context.how, next_wait);
        return;
    }
    phase_ = Phase::comparing;
    tries_ = 0;
}

/// The two-source rule.
void Prover::compare(Context &context) {
    if (phase_ == Phase::trial && !context.seen.veto) { // the veto does not stand yet
        context.actions.again = context.now;
        return;
    }
    Instant wait = patience(context.how, next_wait);
    if (primary_answered_ || (standby_answered_ && !target_known_)) {
        target_known_ = true; // it lives, and from now on its silence is news
        phase_ = Phase::trusted;
        return;
    }
    if (standby_answered_) { // the primary's answers may be right behind
        context.actions.suspicious = true;
        context.actions.again = standby_answered_at_ + wait;
        if (context.now >= *context.actions.again) {
            begin_proving(context, true);
            context.actions.again = due_;
        }
        return;
    }
    if (tries_ && !overdue(context, next_wait)) return;
    if (tries_ < (target_known_ ? comparisons : 1)) {
        tries_++;
        ask(context, Side::standby);
        context.actions.again = context.now + wait;
        return;
    }
    // Nobody answers. Either the neighbour is dead, or the guest's own frames, still going into the
    // hole, keep the network's tables pointing there. Only the latter leaves the primary silent.
    bool silent = context.seen.received == received_;
    if (phase_ == Phase::trial || !target_known_ || !silent) return give_up(context);
    phase_ = Phase::trial;
    tries_ = 0;
    context.actions.again = context.now; // as soon as the veto stands
}

/// Nothing is concluded, and this neighbour's silence means nothing until it answers again.
void Prover::give_up(Context &context) {
    target_known_ = false;
    mute_++;
    context.actions.next_target = true;
    phase_ = Phase::trusted;
}

void Prover::ask(Context &context, Side by) {
    if (by == Side::primary) {
        context.actions.ask_primary = true;
        unsent_ = false;
        if (phase_ == Phase::proving || tries_ == 1) round_ = context.now;
    } else {
        context.actions.ask_standby = true;
    }
    asked_ = context.now;
    late_once_ = false;
}

/// The wait for an answer is over. When we come late ourselves, so may the answer: wait once more.
bool Prover::overdue(Context &context, int percent) {
    Instant limit = asked_ + patience(context.how, percent);
    Instant grace = patience(context.how, next_wait);
    if (context.now >= limit && (late_once_ || context.now < limit + grace)) return true;
    if (context.now >= limit) {
        late_once_ = true;
        asked_ += context.now + grace - limit;
        limit = context.now + grace;
    }
    context.actions.again = limit;
    return false;
}

/// A part of the interval, or twice what answers take here.
Instant Prover::patience(const Probing &how, int percent) const {
    return std::max(Instant(how.interval) * percent / 100, std::min(2 * slowest_, most_patience));
}

} // namespace hitless
