// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/conversation.hpp"

#include <algorithm>
#include <utility>

namespace hitless {
namespace {

using std::chrono::milliseconds;

constexpr Instant first_gap = milliseconds(2), rest_gap = milliseconds(1000);
constexpr Instant cost = milliseconds(1); // of a message: a thousand a second
constexpr Instant burst = 64 * cost;      // so many may follow each other at once
constexpr uint64_t most_jump = 1ull << 62;

} // namespace

Conversation::Conversation(ChannelSide own, uint64_t nonce, uint64_t first_epoch) {
    own_.side = own;
    own_.id = {nonce, first_epoch};
}

void Conversation::restate() {
    own_.id.epoch++;
    urgent_ = true;
}

void Conversation::state(const GuestStatement &statement) {
    if (own_.guest == statement) return;
    own_.guest = statement;
    restate();
}

void Conversation::state(const HostStatement &statement) {
    if (own_.host == statement) return;
    own_.host = statement;
    restate();
}

void Conversation::forget() {
    peer_.reset();
    peer_heard_.reset();
    candidate_.reset();
    restate(); // nobody is adopted any more: that is news
}

bool Conversation::hear(const ChannelMessage &message, Instant now) {
    if (message.side == own_.side || message.id.nonce == own_.id.nonce) return false;
    last_heard_ = now;
    answer_owed_ |= message.answer;
    bool own_peer = peer_ && peer_->id.nonce == message.id.nonce;
    bool obeyed = own_peer ? hear_peer(message) : hear_candidate(message);
    if (obeyed) peer_heard_ = now;
    return obeyed;
}

bool Conversation::hear_peer(const ChannelMessage &message) {
    // Whenever the adopted peer is heard, the candidate is dropped: else a liar whom both sides
    // have heard could keep them apart for ever.
    candidate_.reset();
    if (message.echo.nonce != own_.id.nonce || message.id.epoch < peer_->id.epoch) return false;
    // A guest that was saved and restored remembers less than its host has heard of it.
    bool from_the_future = own_.side == ChannelSide::guest && message.echo.epoch > own_.id.epoch &&
                           message.echo.epoch < most_jump;
    if (from_the_future) {
        own_.id.epoch = message.echo.epoch;
        restate();
    }
    ChannelMessage newest = message;
    newest.echo.epoch = std::max(newest.echo.epoch, peer_->echo.epoch);
    newest.adopted |= message.id.epoch == peer_->id.epoch && peer_->adopted;
    peer_ = newest;
    return true;
}

bool Conversation::hear_candidate(const ChannelMessage &message) {
    if (!candidate_ || candidate_->newest.nonce != message.id.nonce) {
        restate();
        candidate_ = Candidate{message.id, own_.id.epoch};
        return false;
    }
    candidate_->newest.epoch = std::max(candidate_->newest.epoch, message.id.epoch);
    bool proved =
        message.echo.nonce == own_.id.nonce && message.echo.epoch >= candidate_->challenge;
    if (!proved || message.id.epoch < candidate_->newest.epoch) return false;
    peer_ = message;
    candidate_.reset();
    restate(); // that it is adopted is news
    return true;
}

bool Conversation::obeyed_since(uint64_t epoch) const {
    return peer_ && peer_->adopted && peer_->echo.epoch >= epoch;
}

bool Conversation::echoed() const {
    return peer_ && !candidate_ && peer_->echo == own_.id;
}

/// The earliest time that the rate allows.
Instant Conversation::unhurried() const {
    return booked_ - burst;
}

Instant Conversation::due() const {
    if (!last_sent_ || urgent_ || answer_owed_) return std::max(Instant(0), unhurried());
    return std::max(*last_sent_ + (echoed() ? rest_gap : gap_), unhurried());
}

std::optional<ChannelMessage> Conversation::send(Instant now) {
    if (now < due()) return std::nullopt;
    if (std::exchange(urgent_, false))
        gap_ = first_gap;
    else if (!std::exchange(answer_owed_, false))
        gap_ = std::min(2 * gap_, rest_gap);
    answer_owed_ = false;
    last_sent_ = now;
    booked_ = std::max(booked_, now) + cost;
    ChannelMessage message = own_;
    message.answer = !echoed();
    message.adopted = peer_ && !candidate_;
    if (candidate_)
        message.echo = candidate_->newest;
    else if (peer_)
        message.echo = peer_->id;
    return message;
}

} // namespace hitless
