// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/host_channel.hpp"

#include <algorithm>

namespace hitless {
namespace {

constexpr Instant retry = std::chrono::milliseconds(100); // of an order that was not carried out

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

/// It receives by the primary, and said so when it knew that it shall.
bool HostChannel::ready() const {
    const GuestStatement *said = guest();
    return said && conversation_.obeyed_since(wanted_) &&
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
    follow_wish(input, now);
    if (input.downlink == DataPath::standby)
        standby_since_ = standby_since_.value_or(now);
    else
        standby_since_.reset();

    back_off(input, now);

    Actions actions;
    if (guest() && !there(input)) actions.prepare = input.give;
    std::optional<DataPath> target =
        input.give ? give(input, now, actions) : take(input, now, actions);
    if (target && *target != input.downlink)
        order(*target, now, actions);
    else
        ordered_.reset();
    // What is about to move is said when it has moved: one message, not two.
    if (actions.deliver) return actions;
    actions.send = conversation_.send(now);
    wake(actions, std::max(conversation_.due(), now));
    return actions;
}

void HostChannel::follow_wish(const Input &input, Instant now) {
    bool changed = wish_ != input.give;
    auto lease = static_cast<uint32_t>(settings_.lease.count());
    conversation_.state(
        HostStatement{input.give ? DataPath::primary : DataPath::standby, input.downlink, lease});
    if (!changed) return;
    wish_ = input.give;
    since_ = now;
    overdue_ = false;
    pause_ = given_again_ = Instant{0}; // somebody wants it now
    phase_ = input.give ? Phase::waiting : Phase::leaving;
    ordered_.reset();
    wanted_ = conversation_.epoch();
}

std::optional<DataPath> HostChannel::give(const Input &input, Instant now, Actions &actions) {
    const GuestStatement *said = guest();
    bool able = said && said->able;
    if (able && ready()) {
        voided_ = false;
        phase_ = input.downlink == DataPath::primary ? Phase::given : Phase::readying;
        bool pauses = phase_ == Phase::readying && now < given_again_;
        if (pauses) wake(actions, given_again_);
        return pauses ? DataPath::standby : DataPath::primary;
    }
    phase_ = !able ? Phase::waiting : there(input) ? Phase::readying : Phase::plugging;
    actions.plug = able && !there(input) && input.downlink == DataPath::standby;
    // What runs after a reset may know nothing of two NICs: it sees the primary when it is able.
    actions.unplug =
        voided_ && !able && input.plugged.value_or(false) && input.downlink == DataPath::standby;
    // Found on the primary, or given to a guest that has not answered since: left as it is.
    bool lost = said && (!able || said->primary == GuestPrimary::none ||
                         said->primary == GuestPrimary::present);
    if (input.downlink == DataPath::primary && !lost && !voided_) {
        phase_ = Phase::given;
        return std::nullopt;
    }
    // A tap may be there long before its guest: who migrates hither still runs elsewhere.
    if (input.elsewhere && !has_primary()) phase_ = Phase::absent;
    if (phase_ == Phase::absent || (input.downlink == DataPath::unknown && !said))
        return std::nullopt;
    return DataPath::standby;
}

std::optional<DataPath> HostChannel::take(const Input &input, Instant now, Actions &actions) {
    if (input.elsewhere && !has_primary()) {
        phase_ = Phase::absent;
        return std::nullopt;
    }
    Instant deadline = since_ + settings_.deadline;
    bool left = gone(), over = now >= deadline;
    bool reset = voided_ && !guest(); // nobody sends by the primary who knows of us
    if (!left && !over) wake(actions, deadline);
    // Also where frames go to the standby already: it may still send by its primary.
    if (!left && over && phase_ == Phase::leaving) overdue_ |= has_primary();
    if (input.downlink != DataPath::standby || (!left && !over)) {
        phase_ = Phase::leaving;
        if (!left && !over && !reset) return std::nullopt;
        overdue_ |= !left && !reset;
        return DataPath::standby;
    }
    bool there = input.plugged.value_or(false);
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
    if (input.downlink == DataPath::primary && !primary_since_) primary_since_ = now;
    if (input.downlink != DataPath::standby || !primary_since_) return;
    bool lasted = now >= *primary_since_ + longest_pause;
    primary_since_.reset();
    if (!input.give) return;
    pause_ = lasted ? first_pause : std::clamp(2 * pause_, first_pause, longest_pause);
    given_again_ = now + pause_;
}

void HostChannel::order(DataPath target, Instant now, Actions &actions) {
    bool waits = ordered_ == target && now < ordered_at_ + retry;
    if (!waits) {
        ordered_ = target;
        ordered_at_ = now;
        actions.deliver = target;
    }
    wake(actions, ordered_at_ + retry);
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
