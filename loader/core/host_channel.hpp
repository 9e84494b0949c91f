// SPDX-License-Identifier: BSD-2-Clause
//
// The host's half of the channel with one guest: the order of a give and a take. Pure: messages,
// the request and what the kernel has in; where to deliver, whether to plug and messages out.
//
// Give: plug when the guest is able; deliver to the primary when it is ready there; say so. Take:
// say so; deliver to the standby when the guest has left the primary, or at the deadline; a little
// later, unplug. A guest that loses its primary again and again gets it back after a pause that
// grows from 100 ms to 10 s, and is short again when it has kept it for 10 s. Receiving is open on
// both paths in the guest, always; its sending moves last on give and first on take.
//
//   HostChannel channel(settings, nonce);
//   channel.hear(decoded.message, now);       // what came in by this guest's own tap
//   auto actions = channel.step(input, now);  // after each message, event and `again`
//   carry out actions.deliver, read back, and call step() again with what was read, whatever
//   became of it; ...
#pragma once

#include "loader/core/conversation.hpp"

namespace hitless {

class HostChannel {
  public:
    struct Settings {
        std::chrono::milliseconds deadline{250}; ///< how long a take waits for the guest
        std::chrono::milliseconds linger{
            10}; ///< how long the primary still receives when it is moved
        std::chrono::milliseconds lease{5000}; ///< how long the guest holds to our word
    };
    struct Input {
        bool give = false;                     ///< what is requested: the guest has its primary
        DataPath downlink = DataPath::unknown; ///< where the kernel delivers, as read back
        std::optional<bool> plugged; ///< the device is in the guest; nullopt: nobody of ours plugs
        bool elsewhere = false;      ///< the kernel heard it last where neither of its paths is
        bool learnt = false; ///< it delivers to the primary since it heard the guest there, and not
                             ///< because it was told to: that may be refused
        bool dead = false;   ///< nothing gets through the primary's port: it is down, or has no
                             ///< carrier
    };
    struct Actions {
        std::optional<DataPath>
            deliver; ///< move the downlink, now; ordered again if it did not, less and less often
        bool plug = false, unplug = false; ///< the device shall be there, or shall not: levels
        /// The guest has no primary, and may get one (true) or shall get none: for NICs that must
        /// know before it is plugged. To be carried out before `plug`. A level.
        std::optional<bool> prepare;
        std::optional<ChannelMessage> send;
        std::optional<Instant> again; ///< when step() is due though nothing happened
    };
    enum class Phase {
        waiting,  ///< give: the guest is not able, or not heard
        plugging, ///< give: the device is not in the guest
        readying, ///< give: the guest does not receive by it yet
        given,
        leaving,   ///< take: the guest still sends by the primary
        lingering, ///< take: the downlink has moved; what is under way arrives
        unplugging,
        taken,
        absent ///< it runs elsewhere, for all that is heard: where frames go is not ours to say
    };

    /// A guest says something each second: one that was not heard for so long is silent.
    static constexpr std::chrono::seconds silence{3};

    HostChannel(const Settings &, uint64_t nonce);

    /// False: it was no word of the boot that is taken for the guest.
    bool hear(const ChannelMessage &, Instant now);
    /// The guest was reset: what it said is void.
    void guest_reset();
    Actions step(const Input &, Instant now);
    /// Something changed that may have kept a move from being made: it is tried again at
    /// once, or 100 ms after the last time.
    void retry();

    Phase phase() const { return phase_; }
    /// What the guest said last; nullptr: nobody is heard.
    const GuestStatement *guest() const;
    /// It may send by its primary, as far as is known: only then must frames for it be led.
    bool has_primary() const;
    /// When it said that.
    std::optional<Instant> last_heard() const { return conversation_.peer_heard(); }
    /// A take did not wait for the guest's word any longer.
    bool overdue() const { return overdue_; }
    /// Since when the present request stands.
    Instant since() const { return since_; }

  private:
    void follow_request(const Input &, Instant now);
    std::optional<DataPath> give(const Input &, Instant now, Actions &);
    std::optional<DataPath> take(const Input &, Instant now, Actions &);
    bool ready(Instant now) const;
    bool there(const Input &) const;
    bool gone() const;
    bool heard_lately(Instant now) const;
    void order(DataPath, const Input &, Instant now, Actions &);
    void back_off(const Input &, Instant now);

    Settings settings_;
    Conversation conversation_;
    std::optional<bool> request_;
    Instant since_{0};
    uint64_t wanted_ = 0; ///< the statement that first said what is requested
    bool voided_ = false; ///< the guest was reset, and is not ready since
    bool overdue_ = false;
    std::optional<Instant> standby_since_; ///< the downlink
    /// Orders that were not carried out. Looking whether a move may be made costs this host much.
    struct Attempts {
        Instant gap{0}, last{0};
        Instant next() const { return last + gap; }
    };
    Attempts to_standby_, to_primary_;
    std::optional<Instant> primary_since_; ///< the downlink
    Instant pause_{0}, given_again_{0};    ///< after a primary was lost
    Phase phase_ = Phase::waiting;
};

const char *name(HostChannel::Phase);

} // namespace hitless
