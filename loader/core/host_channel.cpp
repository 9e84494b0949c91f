// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/host_channel.hpp"

#include <algorithm>

namespace hitless {
namespace {

// Of an order that was not carried out: doubled each time. Frames that are lost on the way to a
// primary cost more than a look at it.
constexpr Instant first_retry = std::chrono::milliseconds(100);
constexpr Instant longest_retry_of_give = std::chrono::seconds(10);
constexpr Instant longest_retry_of_take = std::chrono::seconds(1);

constexpr Instant first_pause = std::chrono::milliseconds(100);
constexpr Instant longest_pause = std::chrono::seconds(10);

void wake(HostChannel::Actions &actions, Instant at) {
    actions.again = actions.again ? std::min(*actions.again, at) : at;
}

} // namespace

HostChannel::HostChannel(const Settings &settings, uint64_t nonce)
    : settings_(settings), conversation_(ChannelSide::host, nonce, 1) {}

bool HostChannel::hear(const ChannelMessage &message, Instant now) {
    return conversation_.hear(message, now);
}

void HostChannel::guest_reset() {
    conversation_.forget();
    voided_ = true;
}

const GuestStatement *HostChannel::guest() const {
    const ChannelMessage *peer = conversation_.peer();
    return peer ? &peer->guest : nullptr;
}

bool HostChannel::heard_lately(Instant now) const {
    return guest() && last_heard() && now <= *last_heard() + silence;
}

/// The guest receives by the primary, and said so lately and after it had heard what the host
/// wants.
bool HostChannel::ready(Instant now) const {
    const GuestStatement *said = guest();
    return said && heard_lately(now) && conversation_.obeyed_since(wanted_) &&
           (said->primary == GuestPrimary::ready || said->primary == GuestPrimary::in_use);
}

/// It sends nothing by the primary, and will not before we say so.
bool HostChannel::gone() const {
    const GuestStatement *said = guest();
    return said && conversation_.obeyed_since(wanted_) &&
           (said->primary == GuestPrimary::none || said->primary == GuestPrimary::left);
}

/// The device is in the guest: who plugs knows best.
bool HostChannel::there(const Input &input) const {
    const GuestStatement *said = guest();
    return input.plugged.value_or(said && said->primary != GuestPrimary::none);
}

bool HostChannel::has_primary() const {
    const GuestStatement *said = guest();
    return said && said->primary != GuestPrimary::none && said->primary != GuestPrimary::left;
}

HostChannel::Actions HostChannel::step(const Input &input, Instant now) {
    follow_request(input, now);
    if (input.downlink == DataPath::standby)
        standby_since_ = standby_since_.value_or(now);
    else
        standby_since_.reset();

    back_off(input, now);

    Actions actions;
    if (guest() && !there(input)) actions.prepare = input.give;
    std::optional<DataPath> target =
        input.give ? give(input, now, actions) : take(input, now, actions);
    if (input.downlink == DataPath::standby) to_standby_ = {};
    if (input.downlink == DataPath::primary && !input.learnt) to_primary_ = {};
    if (target) order(*target, input, now, actions);
    // Where the downlink is about to move, one message after the move says both.
    if (actions.deliver) return actions;
    actions.send = conversation_.send(now);
    wake(actions, std::max(conversation_.due(), now));
    return actions;
}

void HostChannel::follow_request(const Input &input, Instant now) {
    bool changed = request_ != input.give;
    auto lease = static_cast<uint32_t>(settings_.lease.count());
    // The guest shall send by its primary when it was given, not when it was heard there.
    DataPath told = input.learnt ? DataPath::unknown : input.downlink;
    conversation_.state(
        HostStatement{input.give ? DataPath::primary : DataPath::standby, told, lease});
    if (!changed) return;
    request_ = input.give;
    since_ = now;
    overdue_ = false;
    pause_ = given_again_ = Instant{0}; // somebody wants it now
    phase_ = input.give ? Phase::waiting : Phase::leaving;
    to_standby_ = to_primary_ = {};
    wanted_ = conversation_.epoch();
}

std::optional<DataPath> HostChannel::give(const Input &input, Instant now, Actions &actions) {
    const GuestStatement *said = guest();
    bool able = said && said->able;
    bool given = input.downlink == DataPath::primary && !input.learnt;
    bool elsewhere = input.elsewhere && !has_primary();
    if (able && ready(now) && !input.dead) {
        voided_ = false;
        phase_ = given ? Phase::given : Phase::readying;
        bool pauses = phase_ == Phase::readying && now < given_again_;
        if (pauses) wake(actions, given_again_);
        return pauses ? DataPath::standby : DataPath::primary;
    }
    phase_ = !able ? Phase::waiting : there(input) ? Phase::readying : Phase::plugging;
    // A neighbour that sends with the guest's address does not keep it from having a device.
    bool here = input.downlink == DataPath::standby || (elsewhere && heard_lately(now));
    actions.plug = able && !there(input) && here;
    // What boots after a reset may be without hitless: no primary until the guest says "able".
    actions.unplug =
        voided_ && !able && input.plugged.value_or(false) && input.downlink == DataPath::standby;
    // Found on the primary, or given to a guest that has not answered since: left as it is, unless
    // nothing gets through there, whatever the guest says or does not say.
    bool lost = input.dead || (said && (!able || said->primary == GuestPrimary::none ||
                                        said->primary == GuestPrimary::present));
    if (input.downlink == DataPath::primary && !lost && !voided_) {
        if (given) phase_ = Phase::given;
        return std::nullopt;
    }
    // During an incoming migration the tap is here before the guest is. One that
    // speaks on its own tap is here, whatever the bridge has heard; it may have left a moment ago,
    // so frames go where they went.
    if (elsewhere && !heard_lately(now)) phase_ = Phase::absent;
    if (elsewhere || (input.downlink == DataPath::unknown && !said)) return std::nullopt;
    return DataPath::standby;
}

std::optional<DataPath> HostChannel::take(const Input &input, Instant now, Actions &actions) {
    Instant deadline = since_ + settings_.deadline;
    bool left = gone(), over = now >= deadline;
    bool reset = voided_ && !guest(); // then nobody who speaks with us sends by the primary
    if (!left && !over) wake(actions, deadline);
    // Also where frames go to the standby already: it may still send by its primary.
    if (!left && over && phase_ == Phase::leaving) overdue_ |= has_primary();
    bool there = input.plugged.value_or(false);
    // Where frames go is not ours to say then: neither for who runs elsewhere, nor for a guest that
    // may have left this host a moment ago.
    if (input.elsewhere && !has_primary()) {
        bool here = heard_lately(now), waits = (here || there) && !left && !over;
        actions.unplug = there && !waits;
        phase_ = waits   ? Phase::leaving
                 : there ? Phase::unplugging
                 : here  ? Phase::taken
                         : Phase::absent;
        return std::nullopt;
    }
    if (input.downlink != DataPath::standby || (!left && !over)) {
        phase_ = Phase::leaving;
        // What does not get through there is not worth waiting for the guest's word.
        if (!left && !over && !reset && !input.dead) return std::nullopt;
        overdue_ |= over && !left && !reset;
        return DataPath::standby;
    }
    Instant lingered = *standby_since_ + settings_.linger;
    if (now < lingered) {
        phase_ = Phase::lingering;
        wake(actions, lingered);
    } else {
        actions.unplug = there;
        phase_ = there ? Phase::unplugging : Phase::taken;
    }
    return DataPath::standby;
}

/// Each move costs this host more than it costs a guest to ask for it.
void HostChannel::back_off(const Input &input, Instant now) {
    bool given = input.downlink == DataPath::primary && !input.learnt;
    if (given && !primary_since_) primary_since_ = now;
    if (input.downlink != DataPath::standby || !primary_since_) return;
    bool lasted = now >= *primary_since_ + longest_pause;
    primary_since_.reset();
    if (!input.give) return;
    pause_ = lasted ? first_pause : std::clamp(2 * pause_, first_pause, longest_pause);
    given_again_ = now + pause_;
}

/// Frames shall go to `target`. What the guest sends by a primary that it may not have, or that is
/// not there to be had, does not lead them there meanwhile.
void HostChannel::order(DataPath target, const Input &input, Instant now, Actions &actions) {
    bool learnt = input.downlink == DataPath::primary && input.learnt;
    if (target == DataPath::primary && learnt && now < to_primary_.next()) {
        wake(actions, to_primary_.next());
        target = DataPath::standby;
    }
    if (target == input.downlink && !(learnt && target == DataPath::primary)) return;
    bool primary = target == DataPath::primary;
    Attempts &attempts = primary ? to_primary_ : to_standby_;
    if (now >= attempts.next()) {
        const Instant longest = primary ? longest_retry_of_give : longest_retry_of_take;
        attempts.gap = std::clamp(2 * attempts.gap, first_retry, longest);
        attempts.last = now;
        actions.deliver = target;
    }
    wake(actions, attempts.next());
}

void HostChannel::retry() {
    for (Attempts *attempts : {&to_standby_, &to_primary_})
        attempts->gap = std::min(attempts->gap, first_retry);
}

const char *name(HostChannel::Phase phase) {
    switch (phase) {
    case HostChannel::Phase::waiting: return "waiting";
    case HostChannel::Phase::plugging: return "plugging";
    case HostChannel::Phase::readying: return "readying";
    case HostChannel::Phase::given: return "given";
    case HostChannel::Phase::leaving: return "leaving";
    case HostChannel::Phase::lingering: return "lingering";
    case HostChannel::Phase::unplugging: return "unplugging";
    case HostChannel::Phase::taken: return "taken";
    case HostChannel::Phase::absent: return "absent";
    }
    return "?";
}

} // namespace hitless
