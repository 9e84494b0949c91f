// SPDX-License-Identifier: BSD-2-Clause
//
// Does the primary carry frames both ways? Pure: answers, counters and the time in; questions to
// ask and a verdict out. docs/adr/0007 has the reasons.
//
// A question is one small frame that a neighbour answers. Silence alone proves nothing: it counts
// against the primary only when the same neighbour answers a question that left by the standby.
// With no answer on either, nothing is concluded. An answer counts wherever it comes in (a learning
// switch sends it where it last saw the guest): it proves the way out. The way in is proved by
// frames that arrive on the primary.
//
//   Prover prover;
//   Prover::Actions actions = prover.step(probing, input, now);
//   if (actions.ask_primary) ...            // later: prover.answered(Side::primary, asked, now)
#pragma once

#include "loader/core/types.hpp"

#include <optional>
#include <variant>

namespace hitless {

using std::chrono::milliseconds;

struct Probing {
    milliseconds up_delay{20}; ///< from carrier to the first question
    milliseconds interval{20}; ///< between questions while the guest sends; 0: none at all
    milliseconds rest{300};    ///< between questions while it only listens; 0: none then
    milliseconds timeout{200}; ///< after which a path is used though nobody answers anywhere
    auto operator<=>(const Probing &) const = default;
};

enum class Side { primary, standby };

enum class PathVerdict {
    unproven, ///< no evidence yet, or doubted right now
    proved,   ///< evidence both ways, and none against
    refuted   ///< the standby was answered and the primary was not
};

class Prover {
  public:
    /// The pair at one moment.
    struct Input {
        bool usable = false;     ///< the primary is up, with carrier
        unsigned ways = 0;       ///< targets that can be asked; 0: there is nobody
        uint64_t veto = 0;       ///< the veto word as it stands
        uint64_t sent = 0;       ///< frames that left by the primary, ever
        uint64_t received = 0;   ///< frames that came in by it, ever
        bool unresolved = false; ///< the targets are neighbours that the guest itself waits for
        bool completes = true;   ///< the primary goes on counting sent frames
    };
    struct Actions {
        bool ask_primary = false;
        bool ask_standby = false;
        bool next_target = false;   ///< the present way is not answered: take the next
        bool wake_on_frame = false; ///< step() is due as soon as the guest sends
        /// A question was not answered: look at the hardware, too. When that question was asked;
        /// the same as long as it is the same doubt.
        std::optional<Instant> doubted_since;
        std::optional<Instant> again; ///< when step() is due though nothing happened
    };

    Actions step(const Probing &, const Input &, Instant now);
    /// Somebody answered the question that left by this side at `asked`.
    void answered(Side, Instant asked, Instant now);
    /// The question by this side that step() has just ordered was not sent: the device's queue is
    /// full, say. No answer to it means nothing while the device goes on sending.
    void not_sent(Side side) { unsent_ |= side == Side::primary; }
    /// There is evidence against the primary from elsewhere: it must prove itself anew.
    void refute() { accused_ = true; }
    PathVerdict verdict() const;
    /// Somebody has answered a question by the primary since it was last to be proved.
    bool evident() const { return evident_; }

  private:
    /// Who has answered in this round.
    struct Answers {
        bool primary = false, standby = false;
        Instant standby_at{0};
    };
    /// Questions to which no answer has come yet, while the primary is or was in use.
    struct Doubt {
        Instant since;        ///< when the first of them was asked
        unsigned tries = 0;   ///< questions of this phase
        Answers answers = {}; ///< of the whole doubt
    };

    // One type for each phase, with what holds in this phase alone.
    struct Fresh {};   ///< not one step yet
    struct Down {};    ///< the primary is not usable: nothing to ask
    struct Trusted {}; ///< proved; between two questions
    struct Proving {   ///< the primary is not to be used yet
        Instant since; ///< when proving began
        Instant due;   ///< when the next round may begin
        Answers answers = {};
        bool round_open = false; ///< the primary is asked, the standby not yet
        bool outbound = false;   ///< a question by the primary was answered: frames get out
        bool against = false;    ///< in some round the standby was answered and the primary not
        bool stood = false;      ///< our veto was seen standing
        unsigned unanswered = 0; ///< rounds in which nobody answered by either NIC
    };
    struct Awaiting : Doubt {};  ///< a question is out
    struct Comparing : Doubt {}; ///< no answer: the standby is asked
    struct Trial : Doubt {};     ///< nor there, and nothing comes in: frames are diverted while the
                                 ///< standby is asked again
    using Phase = std::variant<Fresh, Down, Trusted, Proving, Awaiting, Comparing, Trial>;

    struct Context { // what one step works with
        const Probing &how;
        const Input &seen;
        Instant now;
        Actions actions{};
    };

    template <typename T>
    bool is() const {
        return std::holds_alternative<T>(phase_);
    }
    /// What happened to the pair meanwhile.
    void enter(const Context &);
    /// Does what is due in this phase, if it is the present one; what it returns is the next.
    template <typename T>
    void advance(Context &);
    Phase next(Context &, Proving);
    Phase next(Context &, Awaiting);
    Phase next(Context &, Comparing);
    Phase next(Context &, Trial);
    Phase next(Context &, Trusted);

    Proving begin_proving(const Context &, bool refuted);
    bool is_proved(const Context &, const Proving &) const;
    Instant unasked(const Probing &) const;
    unsigned rounds_unanswered(const Context &) const;
    Instant pace_unanswered(const Context &, const Proving &) const;

    Instant asking_pace(const Context &, bool quiet) const;
    bool inflow_stopped(Context &);
    void measure_inflow(const Context &);

    template <typename T>
    std::optional<Phase> compare(Context &, T doubt);
    Trusted give_up(Context &);

    void ask(Context &, Side);
    bool overdue(Context &, int percent);
    bool over(Context &, Instant &limit);
    Instant patience(const Probing &, int percent) const;

    Phase phase_ = Fresh{};
    Instant asked_{0};          ///< the last question, by either NIC
    Instant round_{0};          ///< when the last round of questions began
    Instant slowest_{0};        ///< answer of late
    uint64_t sent_ = 0;         ///< Input::sent when the last question was asked
    uint64_t received_ = 0;     ///< Input::received when proving, or a round, began
    bool quiet_ = false;        ///< no frame since the last question, an interval ago
    bool refuted_ = false;      ///< since it was last in use
    bool target_known_ = false; ///< the target answers; silence is news
    unsigned mute_ = 0;         ///< ways that were not answered lately; all: no hurry to ask
    bool late_once_ = false;    ///< we were late: one more wait was granted
    bool unsent_ = false;       ///< the last question to the primary was not sent
    bool evident_ = false;      ///< answered by the primary since proving began
    bool accused_ = false;      ///< refute() was called since the last step

    /// Frames that come in by a primary in use while the guest only listens.
    struct Inflow {
        bool steady = false;   ///< at least some 100 a second since the last question
        uint64_t received = 0; ///< Input::received when it was last looked at
        Instant looked{0};
        unsigned empty_looks = 0; ///< one after the other
    } inflow_;
};

} // namespace hitless
