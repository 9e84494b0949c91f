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
constexpr Instant search_interval = std::chrono::seconds(1); // as often as the guest's own kernel
constexpr Instant least_rest = milliseconds(300), target_search = milliseconds(100),
                  most_rest = std::chrono::seconds(10), most_patience = std::chrono::seconds(1);
constexpr int inbound_timeouts = 5;  // answered, but nothing has come in yet
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
    if (is<Proving>()) return refuted_ ? PathVerdict::refuted : PathVerdict::unproven;
    const bool unproven = is<Fresh>() || is<Down>() || is<Trial>();
    return unproven ? PathVerdict::unproven : PathVerdict::proved;
}

void Prover::answered(Side by, Instant asked, Instant now) {
    slowest_ = std::max(now - asked, slowest_ - slowest_ / 8);
    mute_ = 0;
    if (by == Side::primary) target_known_ = evident_ = true;
    std::visit(
        [&](auto &phase) {
            if constexpr (requires { phase.answers; }) {
                (by == Side::primary ? phase.answers.primary : phase.answers.standby) = true;
                if (by == Side::standby) phase.answers.standby_at = now;
            }
            if constexpr (requires { phase.outbound; }) phase.outbound |= by == Side::primary;
        },
        phase_);
}

Prover::Actions Prover::step(const Probing &how, const Input &seen, Instant now) {
    Context context{how, seen, now};
    enter(context);
    // In this order, each once: a phase that begins here may do its first work at once.
    advance<Proving>(context);
    advance<Awaiting>(context);
    advance<Comparing>(context);
    advance<Trial>(context);
    advance<Trusted>(context);
    return context.actions;
}

template <typename T>
void Prover::advance(Context &context) {
    if (const T *phase = std::get_if<T>(&phase_)) phase_ = next(context, *phase);
}

void Prover::enter(const Context &context) {
    const uint64_t veto = context.seen.veto;
    if (!context.seen.usable) {
        phase_ = Down{};
        evident_ = false;
        return;
    }
    const bool was_down = is<Down>();
    if (is<Fresh>()) { // what another prover thought is in the word
        phase_ = Trusted{};
        bool was_hole = veto & (HL_VETO(BLACK_HOLE) | HL_VETO(TX_HANG));
        if (veto & (passing | lost)) phase_ = begin_proving(context, was_hole);
    }
    if (was_down || veto & HL_VETO(DOWN_SEEN)) phase_ = begin_proving(context, refuted_);
    if (std::exchange(accused_, false)) phase_ = begin_proving(context, true);
    if (Proving *proving = std::get_if<Proving>(&phase_)) {
        if (veto & prover_bits) {
            proving->stood = true;
        } else if (proving->stood) { // gone without our doing: an operator knows better
            phase_ = Trusted{};
            evident_ = true;
        }
        return;
    }
    const bool diverted = is<Trial>() && veto == HL_VETO(UNPROVEN);
    const bool in_doubt = is<Comparing>() || is<Trial>();
    if ((in_doubt && veto && !diverted) || paused(veto)) phase_ = Trusted{};
}

Prover::Proving Prover::begin_proving(const Context &context, bool refuted) {
    refuted_ = refuted;
    received_ = context.seen.received;
    evident_ = false;
    return {.since = context.now,
            .due = context.now + (refuted ? least_rest : Instant(context.how.up_delay))};
}

/// In rounds: the primary is asked, then the standby, which also moves the network's tables back to
/// where the guest's frames go.
Prover::Phase Prover::next(Context &context, Proving phase) {
    const Probing &how = context.how;
    Answers &answers = phase.answers;
    if (paused(context.seen.veto)) {
        phase.since = context.now;
        return phase;
    }
    // Each question moves the network's tables here and the next one back, and at each move frames
    // overtake those that are still on the slower path. So one proof, when it is about to be used;
    // the time in which nobody was asked is no time in which nobody answered.
    if (context.seen.veto & HL_VETO(HOLD_DOWN) && !refuted_) {
        if (context.seen.ways)
            phase.since = std::max(phase.since, context.now - Instant(how.up_delay));
        return phase;
    }
    if (is_proved(context, phase)) return Trusted{};
    if (how.interval.count() == 0 || !context.seen.ways) {
        context.actions.again = phase.since + how.up_delay + unasked(how);
        return phase;
    }
    if (phase.round_open) {
        if (!answers.primary && !overdue(context, idle_wait)) return phase;
        phase.round_open = false;
        phase.due = round_ + (answers.primary ? how.interval : pace_unanswered(context, phase));
        phase.due = std::max(phase.due, context.now + patience(how, next_wait));
        ask(context, Side::standby);
    } else if (const bool silence = asked_ >= phase.since && !answers.primary && !answers.standby;
               silence ? over(context, phase.due) : context.now >= phase.due) {
        phase.against |= answers.standby && !answers.primary && !unsent_;
        context.actions.next_target = silence;
        phase.unanswered += context.actions.next_target;
        answers = {};
        phase.round_open = true;
        round_ = context.now;
        ask(context, Side::primary);
        context.actions.again = context.now + patience(how, idle_wait);
        return phase;
    }
    context.actions.again = phase.due;
    return phase;
}

bool Prover::is_proved(const Context &context, const Proving &phase) const {
    const Probing &how = context.how;
    Instant waited = context.now - phase.since - how.up_delay;
    if (waited < Instant(0)) return false;
    if (how.interval.count() == 0) return waited >= unasked(how);
    bool inbound = context.seen.received != received_;
    if (!context.seen.ways) return (inbound && !refuted_) || waited >= unasked(how);
    if (phase.outbound) return inbound || (!refuted_ && waited >= inbound_timeouts * how.timeout);
    if (phase.against || phase.answers.standby || unsent_) return false;
    return waited >= unasked(how) && phase.unanswered >= rounds_unanswered(context);
}

/// The passing of time proves nothing: a controller that got no CPU may have asked nothing. So each
/// target must have been asked by both NICs without an answer, as far as the timeout has room for
/// that.
unsigned Prover::rounds_unanswered(const Context &context) const {
    const auto room = static_cast<unsigned>(context.how.timeout / context.how.interval);
    return std::clamp(context.seen.ways + 1, 1u, std::max(room / 2, 1u));
}

/// How long to wait where there is nobody to ask.
Instant Prover::unasked(const Probing &how) const {
    if (refuted_) return refuted_timeouts * Instant(how.timeout);
    return how.interval.count() ? how.timeout : milliseconds(0);
}

/// The time between two rounds without an answer: the longer there was none, the longer.
Instant Prover::pace_unanswered(const Context &context, const Proving &phase) const {
    Instant least = refuted_ ? least_rest : (phase.against ? 5 : 1) * context.how.interval;
    return std::clamp<Instant>((context.now - phase.since) / 8, least, most_rest);
}

Prover::Phase Prover::next(Context &context, Trusted) {
    const Probing &how = context.how;
    Actions &actions = context.actions;
    if (how.interval.count() == 0 || paused(context.seen.veto)) return Trusted{};
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
    const Instant pace = asking_pace(context, quiet);
    if (pace.count() == 0) return Trusted{};
    actions.again = round_ + pace;
    const bool stopped = quiet && inflow_stopped(context);
    if (!stopped && context.now < round_ + pace) return Trusted{};
    sent_ = context.seen.sent;
    if (!context.seen.ways) {
        round_ = context.now;
        actions.again = round_ + pace;
        return Trusted{};
    }
    measure_inflow(context);
    received_ = context.seen.received;
    round_ = context.now;
    ask(context, Side::primary);
    actions.again = context.now + patience(how, !in_use   ? idle_wait
                                                : stopped ? next_wait
                                                          : first_wait);
    // That the flow has stopped counts as the first unanswered question.
    return Awaiting{{.since = context.now, .tries = stopped ? 2u : 1u}};
}

/// From one question to the next; 0: none is asked.
Instant Prover::asking_pace(const Context &context, bool quiet) const {
    const Probing &how = context.how;
    const Instant pace = quiet ? how.rest : how.interval;
    if (pace.count() == 0) return pace;
    if (!context.seen.ways) return quiet ? most_rest : target_search;
    if (mute_ < context.seen.ways) return pace;
    if (!context.seen.unresolved) return std::max<Instant>(how.rest, least_rest);
    return quiet ? most_rest : search_interval;
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

Prover::Phase Prover::next(Context &context, Awaiting doubt) {
    const bool idle = context.seen.veto; // wanted, but frames go by the standby
    if (doubt.answers.primary) {
        if (idle) ask(context, Side::standby); // moves the network's tables back
        return Trusted{};
    }
    const bool first = doubt.tries == 1;
    if (!overdue(context, idle ? idle_wait : first ? first_wait : next_wait)) return doubt;
    if (idle && unsent_) return Trusted{};
    if (idle) {
        // What is not in use must prove itself without a gap.
        const Proving proving = begin_proving(context, refuted_);
        ask(context, Side::standby);
        context.actions.again = proving.due;
        return proving;
    }
    const bool completes = context.seen.completes;
    const bool replace = unsent_ && (completes || context.now - doubt.since < context.how.timeout);
    if (replace && completes) doubt.since = context.now;
    context.actions.doubted_since = doubt.since;
    if (replace) { // asks in place of the question that was not sent
        if (first) round_ = context.now;
    } else if (target_known_ && doubt.tries < questions) {
        doubt.tries++;
    } else {
        return Comparing{{.since = doubt.since, .answers = doubt.answers}};
    }
    ask(context, Side::primary);
    context.actions.again = context.now + patience(context.how, next_wait);
    return doubt;
}

Prover::Phase Prover::next(Context &context, Comparing doubt) {
    if (std::optional<Phase> concluded = compare(context, doubt)) return *concluded;
    // Nobody answers. Either the neighbour is dead, or the guest's own frames, still going into the
    // hole, keep the network's tables pointing there. Only the latter leaves the primary silent.
    const bool silent = context.seen.received == received_;
    if (!target_known_ || !silent) return give_up(context);
    return Trial{{.since = doubt.since, .answers = doubt.answers}};
}

Prover::Phase Prover::next(Context &context, Trial doubt) {
    if (!context.seen.veto) { // frames are diverted as soon as the veto stands
        context.actions.again = context.now;
        return doubt;
    }
    if (std::optional<Phase> concluded = compare(context, doubt)) return *concluded;
    return give_up(context);
}

/// The two-source rule: the phase to go on in; nothing when nobody answers by either NIC.
template <typename T>
std::optional<Prover::Phase> Prover::compare(Context &context, T doubt) {
    const Answers &answers = doubt.answers;
    const Instant wait = patience(context.how, next_wait);
    if (answers.primary || (answers.standby && !target_known_)) {
        target_known_ = true; // it lives, and from now on its silence is news
        return Trusted{};
    }
    if (answers.standby) { // the primary's answers may be right behind
        context.actions.doubted_since = doubt.since;
        context.actions.again = answers.standby_at + wait;
        if (context.now < *context.actions.again) return doubt;
        const Proving proving = begin_proving(context, true);
        context.actions.again = proving.due;
        return proving;
    }
    if (doubt.tries && !overdue(context, next_wait)) return doubt;
    if (doubt.tries >= (target_known_ ? comparisons : 1)) return {};
    doubt.tries++;
    ask(context, Side::standby);
    context.actions.again = context.now + wait;
    return doubt;
}

/// Nothing is concluded, and this neighbour's silence means nothing until it answers again.
Prover::Trusted Prover::give_up(Context &context) {
    target_known_ = false;
    mute_++;
    context.actions.next_target = true;
    return {};
}

void Prover::ask(Context &context, Side by) {
    (by == Side::primary ? context.actions.ask_primary : context.actions.ask_standby) = true;
    if (by == Side::primary) unsent_ = false;
    asked_ = context.now;
    late_once_ = false;
}

bool Prover::overdue(Context &context, int percent) {
    const Instant wait = patience(context.how, percent);
    Instant limit = asked_ + wait;
    const bool out = over(context, limit);
    asked_ = limit - wait;
    return out;
}

/// The wait for an answer is over. When we come late ourselves, so may the answer: wait once more.
bool Prover::over(Context &context, Instant &limit) {
    const Instant grace = patience(context.how, next_wait);
    if (context.now >= limit && (late_once_ || context.now < limit + grace)) return true;
    if (context.now >= limit) {
        late_once_ = true;
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
