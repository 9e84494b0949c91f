// SPDX-License-Identifier: BSD-2-Clause
//
// One side's end of the channel between host and guest, without what is said: whom it takes for the
// other side, which statement of theirs is the newest, and when its own is sent again. Pure.
// HostChannel and GuestChannel say something by it.
//
// A boot is taken for the other side (adopted) only when it has echoed a statement that was made
// after that boot was first heard. So what a network kept from a boot that is over is never obeyed,
// nor is anything that does not echo our own nonce. A statement is sent again after 2, 4, 8 ... ms
// until it is echoed, then once a second. More than a thousand messages a second are not sent,
// whatever the other side does.
#pragma once

#include "loader/core/channel_message.hpp"

namespace hitless {

class Conversation {
  public:
    Conversation(ChannelSide own, uint64_t nonce, uint64_t first_epoch);

    /// Whether it was said by the boot that is adopted, to us, and is no older than what was known.
    bool hear(const ChannelMessage &, Instant now);
    /// The other side's boot is over: nothing it said counts any more.
    void forget();

    /// What we say from now on. A change gets a number of its own.
    void state(const GuestStatement &);
    void state(const HostStatement &);
    /// The number of what we say.
    uint64_t epoch() const { return own_.id.epoch; }

    /// The message that is due, if one is, and when the next one will be.
    std::optional<ChannelMessage> send(Instant now);
    Instant due() const;

    /// The newest statement of the adopted boot, with the newest echo; nullptr: none is adopted.
    const ChannelMessage *peer() const { return peer_ ? &*peer_ : nullptr; }
    /// The adopted boot obeys us, and knows our statement of that number.
    bool obeyed_since(uint64_t epoch) const;
    /// When somebody was last heard, adopted or not.
    std::optional<Instant> last_heard() const { return last_heard_; }
    /// When the adopted boot was; whoever else speaks does not count.
    std::optional<Instant> peer_heard() const { return peer_heard_; }

  private:
    struct Candidate {
        StatementId newest;
        uint64_t challenge; ///< the statement of ours that it must echo
    };

    bool hear_peer(const ChannelMessage &);
    bool hear_candidate(const ChannelMessage &);
    void restate();
    bool echoed() const;
    Instant unhurried() const;

    ChannelMessage own_;
    std::optional<ChannelMessage> peer_;
    std::optional<Candidate> candidate_; ///< a boot that was heard since, and is not adopted yet
    std::optional<Instant> last_heard_, peer_heard_, last_sent_;
    Instant gap_{0};     ///< to the next repetition
    Instant booked_{0};  ///< how far ahead of its rate the sending is
    bool urgent_ = true; ///< a statement that was not sent yet
    bool answer_owed_ = false;
};

} // namespace hitless
