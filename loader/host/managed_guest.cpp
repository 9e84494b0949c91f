// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/managed_guest.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <sys/random.h>
#include <utility>

namespace hitless {
namespace {

using std::chrono::seconds;

constexpr Instant look_gap = seconds(1);    // others may change the bridge, too
constexpr Instant tap_gap = seconds(1);     // of a tap that the programs could not be brought onto
constexpr Instant late_frames = seconds(1); // what a guest sent by a primary that is gone
constexpr Instant order_gap = seconds(10);  // others seldom attach programs to a tap
constexpr Instant first_hold_gap = std::chrono::milliseconds(100); // after one that failed
constexpr Instant longest_hold_gap = seconds(10);
constexpr unsigned most_steps_at_once = 4; // each but the last has moved something, or has tried to

uint64_t random_nonce() {
    uint64_t out = 0;
    while (out == 0)
        if (getrandom(&out, sizeof(out), 0) != sizeof(out))
            throw Error(errno, "draw a random number");
    return out;
}

} // namespace

ManagedGuest::ManagedGuest(Shared &shared, const GuestSpec &spec)
    : shared_(shared), spec_(spec), delivery_(deliver_as_described(shared.rtnl, spec)),
      device_(spec), channel_({.deadline = spec.deadline}, random_nonce()), give_(spec.give) {}

void ManagedGuest::find_tap(Instant now) {
    tap_problem_.clear();
    try {
        locate_tap(now);
    } catch (const Error &error) {
        tap_problem_ = error.what();
        again_ = now + tap_gap;
    }
}

void ManagedGuest::locate_tap(Instant now) {
    std::optional<Link> found = shared_.rtnl.link(spec_.standby);
    // Renamed, it is still the guest's; the delivery and the status say that the name is wrong.
    if (!found && tap_) found = shared_.rtnl.link(tap_->index);
    if (tap_ && (!found || found->index != tap_->index))
        shared_.channel.programs().detach(tap_->index);
    bool lost = tap_ && !found, fresh = found && (!tap_ || tap_->index != found->index);
    tap_ = found;
    if (fresh) {
        other_speaker_.reset();
        not_moved_.reset();
    }
    // A tap comes and goes with its virtual machine: what an earlier one said is void, and its
    // entry would keep the bridge from learning where it runs now.
    if (lost) delivery_->forget();
    request_read_ &= !fresh;
    if (tap_)
        keep_tap(fresh, now);
    else
        looked_ = true;
}

/// Brings the programs onto it, and reads what an earlier daemon has kept of it.
void ManagedGuest::keep_tap(bool fresh, Instant now) {
    TapPrograms &programs = shared_.channel.programs();
    bool former = !programs.keep(tap_->index, tap_->name), first = !std::exchange(looked_, true);
    if (fresh && !first) {
        channel_.guest_reset();
        inherited_ = false;
    } else if (!former) {
        forget_former(now);
    }
    if (fresh || !programs.attached(tap_->index)) programs.attach(tap_->index, tap_->name);
    if (!std::exchange(request_read_, true)) {
        hl_tap_request kept = programs.request(tap_->index);
        if (kept == HL_TAP_REQUEST_NONE && request_handed_over_) {
            kept = *request_handed_over_ ? HL_TAP_REQUEST_GIVE : HL_TAP_REQUEST_TAKE;
            programs.set_request(tap_->index, kept);
        }
        request_handed_over_.reset();
        give_ = kept == HL_TAP_REQUEST_NONE ? spec_.give : kept == HL_TAP_REQUEST_GIVE;
        given_ = given_kept_ = programs.given(tap_->index);
        known_ = false;
        look_at_ = now;
    }
    again_ = now;
}

/// The tap came while no daemon ran, and what frames are led by may be a former guest's doing.
void ManagedGuest::forget_former(Instant now) {
    if (!delivery_->learns()) {
        channel_.guest_reset();
        inherited_ = false;
        return;
    }
    delivery_->look(now);
    if (delivery_->state().held && delivery_->state().path == DataPath::primary)
        delivery_->release();
}

void ManagedGuest::retry() {
    channel_.retry();
    not_moved_.reset();
    hold_at_ = look_at_ = Instant{0}; // what was read of it is old
    again_ = again_ ? std::min(*again_, hitless::now()) : hitless::now();
}

void ManagedGuest::hear(const Mac &source, const DecodedMessage &message, Instant now) {
    if (source != spec_.mac) {
        bool news = other_speaker_ != source;
        other_speaker_ = source;
        if (news) again_ = now;
        return;
    }
    if (message.fault == MessageFault::none) channel_.hear(message.message, now);
    again_ = now;
}

void ManagedGuest::request(bool give, Instant now) {
    if (!tap_)
        throw Error(ENODEV, fmt::format("{} the primary of {}", give ? "give" : "take", spec_.name),
                    fmt::format("there is no device {}", spec_.standby),
                    "start the guest, or mend `standby` in the configuration");
    shared_.channel.programs().set_request(tap_->index,
                                           give ? HL_TAP_REQUEST_GIVE : HL_TAP_REQUEST_TAKE);
    if (give != give_) {
        running_ = HostEvent{.guest = spec_.name,
                             .kind = give ? HostEvent::Kind::give : HostEvent::Kind::take,
                             .began = now};
        dropped_before_ = dropped();
    }
    give_ = give;
    take_ordered_ = !give;
    given_before_ = false;
    kept_ = false;
    not_moved_.reset();
    again_ = now;
}

std::optional<Instant> ManagedGuest::again() const {
    std::optional<Instant> out = again_;
    for (const std::optional<Instant> &at : {delivery_->deadline(), device_.deadline()})
        if (at) out = out ? std::min(*out, *at) : at;
    return out;
}

/// What its monitor has to say.
void ManagedGuest::follow_device(Instant now) {
    device_.process(now);
    if (!device_.take_reset(now)) return;
    channel_.guest_reset();
    inherited_ = false;
    given_ = false;
    again_ = now;
}

/// The guest had its time: it keeps what it has, and is asked again by the next take.
void ManagedGuest::has_kept_device(Instant now) {
    if (running_) finish(*running_, now);
    request(true, now);
    kept_ = true;
    shared_.log(
        fmt::format("{}: the guest did not release its primary in {} ms and has it back; see "
                    "whether it runs, then `hitless host take {}`",
                    spec_.name, spec_.plug.limit.count(), spec_.name));
}

void ManagedGuest::step(Instant now) {
    follow_device(now);
    if (!tap_problem_.empty()) {
        if (now >= again_.value_or(now)) find_tap(now);
        if (!tap_problem_.empty()) return complain(now);
    }
    if (!tap_) {
        again_.reset(); // a link event wakes us
        return complain(now);
    }
    delivery_->process(now);
    judge_move();
    for (unsigned i = 0; i < most_steps_at_once && step_once(now); i++)
        continue;
    complain(now);
}

/// Others may change the bridge and the tap, too.
void ManagedGuest::look(Instant now) {
    if (delivery_->busy() || now < look_at_) return;
    delivery_->look(now);
    look_at_ = now + look_gap;
    try {
        look_at_programs(now);
    } catch (const Error &error) {
        tap_problem_ = error.what();
        again_ = now + tap_gap;
    }
}

void ManagedGuest::look_at_programs(Instant now) {
    TapPrograms &programs = shared_.channel.programs();
    if (!programs.attached(tap_->index)) {
        programs.attach(tap_->index, tap_->name);
        shared_.log(fmt::format("{}: somebody took our programs off {}; they are there again",
                                spec_.name, tap_->name));
    }
    if (now < programs_at_) return;
    programs_at_ = now + order_gap;
    std::string ahead = programs.ahead(tap_->index);
    if (!ahead.empty() && ahead_ != ahead)
        shared_.log(fmt::format("{}: {} of {} runs before ours: what it does not pass on is not "
                                "heard, or not guarded; attach it behind ours",
                                spec_.name, ahead, tap_->name));
    ahead_ = ahead;
}

/// True when something was moved, or could not be, so that there is more to do and to say.
bool ManagedGuest::step_once(Instant now) {
    look(now);
    if (!tap_problem_.empty()) return false;
    known_ |= !delivery_->busy();
    // Before the first look is over nothing is known, and nothing is said.
    if (!known_) {
        again_.reset();
        return false;
    }
    const Delivery::State &state = delivery_->state();
    const bool was_given = channel_.phase() == Phase::given;
    HostChannel::Actions actions = channel_.step(
        {give_, state.path, device_.plugged(), state.elsewhere, learnt(), state.dead}, now);
    again_ = actions.again;
    if (was_given) note_lost_entry(now);
    if (actions.prepare && !delivery_->busy()) delivery_->prepare(*actions.prepare);
    if (device_.follow(actions, take_ordered_, now) == PrimaryDevice::Result::not_released)
        has_kept_device(now);
    bool moves = actions.deliver && !delivery_->busy();
    remember_given(moves && *actions.deliver == DataPath::primary);
    if (actions.send) {
        shared_.channel.send(*tap_, *actions.send); // not taken is as lost: it is said again
        sent_++;
    }
    if (moves) {
        deliver(*actions.deliver, now);
        return true;
    }
    note(now);
    hold_or_release(now);
    return false;
}

/// The kernel itself has taken back what led to a port without a carrier.
void ManagedGuest::note_lost_entry(Instant now) {
    const Delivery::State &state = delivery_->state();
    if (!give_ || running_ || !state.dead || state.path != DataPath::standby) return;
    running_ = HostEvent{.guest = spec_.name, .kind = HostEvent::Kind::fallback, .began = now};
    dropped_before_ = dropped();
}

/// Frames go to its primary since the bridge heard it there, and may go elsewhere in a moment.
bool ManagedGuest::learnt() const {
    const Delivery::State &state = delivery_->state();
    return delivery_->learns() && state.path == DataPath::primary && !state.held;
}

/// Before frames are led to its primary, and until it was heard to have left it: a daemon that
/// begins then, and does not hear it, knows that it may still send there.
void ManagedGuest::remember_given(bool moves_to_primary) {
    if (channel_.guest())
        given_ = channel_.has_primary() || delivery_->state().path == DataPath::primary;
    given_ |= moves_to_primary;
    TapPrograms &programs = shared_.channel.programs();
    if (given_ == given_kept_) return;
    try {
        programs.set_given(tap_->index, given_);
        given_kept_ = given_;
    } catch (const Error &) { // the tap goes just now
    }
}

/// What a move is told as later.
void ManagedGuest::begin_event(DataPath to, Instant now) {
    bool withdrawn = give_ && to == DataPath::standby && !running_ && !learnt() &&
                     delivery_->state().path == DataPath::primary;
    if (withdrawn) {
        running_ = HostEvent{.guest = spec_.name, .kind = HostEvent::Kind::fallback, .began = now};
        dropped_before_ = dropped();
    }
    // Nobody asked for it just now: what was requested before we began, or the guest has it again.
    if (!running_ && give_ && to == DataPath::primary) {
        running_ = HostEvent{.guest = spec_.name,
                             .kind = HostEvent::Kind::give,
                             .began = given_before_ ? now : channel_.since()};
        dropped_before_ = dropped();
    }
    if (running_ && !channel_.overdue()) running_->answered = now;
}

void ManagedGuest::deliver(DataPath to, Instant now) {
    begin_event(to, now);
    if (to == DataPath::standby && is_elses_tap())
        delivery_->forget();
    else
        move(to, now);
    moved_at_ = now;
    look_at_ = now + look_gap;
}

void ManagedGuest::move(DataPath to, Instant now) {
    moving_ = to;
    delivery_->move(to, now);
    judge_move();
}

/// What keeps a move from being made is said until it is made, though it is tried but now and then.
void ManagedGuest::judge_move() {
    if (!moving_ || delivery_->busy()) return;
    const DataPath to = *moving_;
    const Delivery::State &state = delivery_->state();
    moving_.reset();
    if (state.path != to || (delivery_->learns() && !state.held))
        not_moved_ = NotMoved{to, state.problem};
    else if (not_moved_ && not_moved_->to == to)
        not_moved_.reset();
}

/// Sticky entries stay while the guest may send by its primary: heard there, its address would
/// move along. Else the bridge may learn where it is: it may have migrated, or not be here yet.
void ManagedGuest::hold_or_release(Instant now) {
    if (!delivery_->learns() || delivery_->busy()) return;
    const Delivery::State &state = delivery_->state();
    if (state.path == DataPath::unknown) return;
    bool heard = channel_.guest() != nullptr;
    inherited_ &= !heard;
    // To its primary it is the channel that orders.
    if (heard && state.path == DataPath::primary) return;
    if (heard && channel_.has_primary()) return hold(now);
    if (!heard && is_elses_tap() && state.held && state.path == DataPath::standby)
        return delivery_->forget();
    bool over =
        heard && (give_ ? now >= moved_at_ + late_frames : channel_.phase() == Phase::taken);
    if (over && state.held && state.path == DataPath::standby) delivery_->release();
}

void ManagedGuest::hold(Instant now) {
    if (delivery_->state().held)
        hold_gap_ = Instant{0};
    else if (now >= hold_at_) {
        move(DataPath::standby, now);
        hold_gap_ = std::clamp(2 * hold_gap_, first_hold_gap, longest_hold_gap);
        hold_at_ = now + hold_gap_;
    }
}

bool ManagedGuest::silent(Instant now) const {
    return channel_.last_heard() && now > *channel_.last_heard() + HostChannel::silence;
}

/// The tap appeared since we started, and another guest is heard there, or none: nothing of this
/// guest's is delivered to it. Where a delivery learns nothing by itself, a silent one gets it.
bool ManagedGuest::is_elses_tap() const {
    return !channel_.guest() && (other_speaker_ || (delivery_->learns() && !inherited_));
}

/// A take that was not answered: by none of the daemons since it was given. An entry that is held
/// says the same where a daemon of an earlier version has waited in vain.
bool ManagedGuest::overdue() const {
    bool unheard = !give_ && !channel_.guest() && channel_.phase() == Phase::taken;
    bool held = inherited_ && delivery_->learns() && delivery_->state().held;
    return channel_.overdue() || (unheard && (given_ || held));
}

bool ManagedGuest::gone() const {
    const GuestStatement *said = channel_.guest();
    return said && (said->primary == GuestPrimary::none || said->primary == GuestPrimary::left);
}

/// What is under way ends when the downlink is where it belongs.
void ManagedGuest::note(Instant now) {
    if (!running_) return;
    DataPath path = delivery_->state().path;
    bool on_primary = path == DataPath::primary && channel_.phase() == Phase::given;
    bool taken = channel_.phase() == Phase::absent ||
                 (path == DataPath::standby && channel_.phase() == Phase::taken);
    bool back = running_->kind == HostEvent::Kind::fallback && path == DataPath::standby;
    if (running_->moved == Instant{0} && !delivery_->busy() && !learnt() &&
        path == (give_ && !back ? DataPath::primary : DataPath::standby))
        running_->moved = hitless::now(); // it took a moment
    if (give_ ? on_primary || back : taken) finish(*running_, now);
}

void ManagedGuest::finish(HostEvent &event, Instant now) {
    if (event.moved == Instant{0}) event.moved = now;
    event.overdue = !give_ && channel_.overdue();
    uint64_t after = dropped();
    event.lost_frames = after > dropped_before_ ? after - dropped_before_ : 0;
    given_before_ |= event.kind == HostEvent::Kind::give;
    shared_.on_event(event);
    running_.reset();
}

/// By both ports, as they count. A PF's port counts for all.
uint64_t ManagedGuest::dropped() const {
    uint64_t out = 0;
    for (const std::string &port : {spec_.standby, spec_.vf ? std::string() : spec_.primary})
        if (std::optional<Link> link = shared_.rtnl.link(port)) out += link->tx_dropped;
    return out;
}

void ManagedGuest::hand_over(ManagedGuest &next) {
    const GuestSpec &after = next.spec_;
    bool otherwise = give_ != spec_.give && spec_.give == after.give;
    if (otherwise) next.request_handed_over_ = give_;
    if (spec_.same_paths(after)) return;
    const bool other_vf = (spec_.vf || after.vf) && !spec_.same_primary(after);
    if ((spec_.mac != after.mac || other_vf) && !delivery_->busy()) delivery_->forget();
    if (spec_.standby != after.standby) return let_go();
    if (!delivery_->busy()) delivery_->release();
}

/// The programs stay as long as the tap: the guest goes on speaking for the length of its lease.
void ManagedGuest::let_go() {
    if (!delivery_->busy()) delivery_->let_go();
}

std::vector<std::string> ManagedGuest::problems(Instant now) const {
    std::vector<std::string> out;
    const Delivery::State &state = delivery_->state();
    // Who runs elsewhere is no problem, but one who speaks here is not served there.
    bool quiet =
        state.elsewhere && !channel_.has_primary() && (!give_ || !channel_.guest() || silent(now));
    if (!tap_problem_.empty())
        out.push_back(tap_problem_);
    else if (!tap_)
        out.push_back(
            fmt::format("there is no device {}; start the guest, or mend `standby` of the "
                        "guest at {}",
                        spec_.standby, spec_.origin));
    else if (tap_->name != spec_.standby)
        out.push_back(fmt::format(
            "{} is called {} now; `ip link set {} name {}`, or mend `standby` of the guest at {}",
            spec_.standby, tap_->name, tap_->name, spec_.standby, spec_.origin));
    else if (!quiet && !state.problem.empty())
        out.push_back(state.problem);
    else if (!quiet && not_moved_ && !not_moved_->why.empty())
        out.push_back(not_moved_->why);
    if (tap_ && !ahead_.empty() && (!channel_.guest() || silent(now)))
        out.push_back(fmt::format("{} of {} runs before ours, and may keep the guest from being "
                                  "heard; attach it behind ours",
                                  ahead_, tap_->name));
    if (tap_ && other_speaker_ && (!channel_.guest() || silent(now)))
        out.push_back(fmt::format("{} is heard on {}, which is another guest's; mend `standby` or "
                                  "`mac` at {}",
                                  other_speaker_->text(), spec_.standby, spec_.origin));
    if (tap_ && give_ && silent(now))
        out.push_back(
            "the guest is not heard any more; see whether it runs, and `hitless status` in it");
    if (const Monitor::State *device = device_.state(); device && !device->problem.empty())
        out.push_back(device->problem);
    if (tap_ && overdue() && !gone())
        out.push_back("the guest did not leave its primary in time; `hitless explain` in the guest "
                      "says why, if it still runs");
    return out;
}

/// Once for each change of what is in the way.
void ManagedGuest::complain(Instant now) {
    std::vector<std::string> all = problems(now);
    if (const std::string &left = delivery_->left_behind(); left != left_behind_) {
        if (left_behind_.empty()) shared_.log(fmt::format("{}: {}", spec_.name, left));
        left_behind_ = left;
    }
    std::string first = all.empty() ? "" : all.front();
    if (first == complained_) return;
    shared_.log(first.empty() ? fmt::format("{}: nothing is in the way any more", spec_.name)
                              : fmt::format("{}: {}", spec_.name, first));
    complained_ = first;
}

GuestStatus ManagedGuest::status() const {
    GuestStatus out;
    out.spec = spec_;
    out.tap = tap_.has_value();
    out.give = give_;
    out.phase = channel_.phase();
    out.downlink = known_ ? delivery_->state().path : DataPath::unknown;
    out.held = delivery_->state().held;
    out.overdue = overdue();
    out.elsewhere = delivery_->state().elsewhere;
    out.since = channel_.since();
    out.last_heard = channel_.last_heard();
    if (const GuestStatement *said = channel_.guest()) out.said = *said;
    out.silent = silent(hitless::now());
    out.problems = problems(hitless::now());
    if (tap_) out.counts = shared_.channel.programs().counts(tap_->index);
    out.sent = sent_;
    if (const Monitor::State *device = device_.state()) out.device = *device;
    out.kept = kept_;
    return out;
}

} // namespace hitless
