// SPDX-License-Identifier: BSD-2-Clause
//
// The guest's half of the channel: what the host wants becomes the veto `host`, and the host is
// told what the primary is to the guest. Pure: messages and what was observed in, the veto and
// messages out.
//
// The guest is silent until a host has spoken: on a cloud without a host half, an unasked frame
// looks like an attack. While a host speaks, its word holds: the veto `host` stands unless it wants
// the primary *and* delivers to the primary. Each word is a lease; when that ends, the guest
// decides alone again.
//
//   GuestChannel channel(nonce, epoch);          // see the constructor
//   channel.hear(decoded.message, now);          // for each message from the standby or the port
//   auto actions = channel.step(input, now);     // after each message, event and `again`
//   set or clear HL_VETO(HOST) as actions.veto says, send actions.send by the transport that was
//   heard, call step() again at once if the veto was changed, else at actions.again.
//
// What the caller must do:
// - Hear frames on the standby's own NIC only, before they reach a bridge or a failover
//   device. What comes in by the primary is never given to hear().
// - The veto is a level: what the word should have as long as nobody overrules the host.
//   Change the word only where the level changes, so that `hitless switch primary` holds until
//   the host says something new.
// - Input::drained is true when nothing that the guest sent is queued in the primary, or the
//   deadline for that is over. It is asked for only while Input::vetoed.
// - Actions::unproven asks for more than the veto `unproven` by itself: it ends when a frame for
//   the guest has come by the primary, not when the proof's timeout is over.
// - Several transports: one GuestChannel each, or one for all; the message is the same.
#pragma once

#include "loader/core/conversation.hpp"

namespace hitless {

class GuestChannel {
  public:
    /// The pair at one moment.
    struct Input {
        bool able = false; ///< a pair is here and would use a primary; false too while an operator
                           ///< forbids it
        GuestPrimary primary = GuestPrimary::none; ///< none, present, ready (it receives: carrier,
                                                   ///< programs attached) or in_use; `left` is said
                                                   ///< by this class
        uint32_t slot = 0;                         ///< of the primary; 0: unknown
        bool vetoed = false;                       ///< the veto `host` stands in the word
        bool drained = false;                      ///< nothing of ours is queued in the primary
    };
    struct Actions {
        bool veto = false;     ///< the veto `host` shall stand
        bool unproven = false; ///< the host fell silent while it delivered to the standby: the
                               ///< primary must be answered before it is used
        std::optional<ChannelMessage> send;
        std::optional<Instant> again; ///< when step() is due though nothing happened
    };

    /// `nonce`: random, the same for all controllers of a pair in one boot of the guest (of the
    /// boot id and the pair, say), never 0. `first_epoch`: larger than what an earlier controller
    /// reached (CLOCK_BOOTTIME in ns); if it is not, one message more is needed.
    GuestChannel(uint64_t nonce, uint64_t first_epoch);

    /// False: it was no word of the host that we obey (not yet, or not any more).
    bool hear(const ChannelMessage &, Instant now);
    Actions step(const Input &, Instant now);

    /// What the host says while its lease lasts; nullptr: there is no host, or it fell silent.
    const HostStatement *host() const { return leased_ ? &host_ : nullptr; }
    /// When the lease ends.
    std::optional<Instant> lease_end() const { return lease_end_; }
    /// What the host was last told.
    const GuestStatement &said() const { return said_; }

  private:
    void obey();
    void lapse();
    GuestStatement statement(const Input &) const;
    bool silent(Instant now) const;

    Conversation conversation_;
    HostStatement host_;
    GuestStatement said_;
    std::optional<Instant> lease_end_;
    bool stepped_ = false;
    bool leased_ = false;
    bool veto_ = false, unproven_ = false;
    DataPath downlink_ = DataPath::unknown; ///< the last that was known
};

} // namespace hitless
