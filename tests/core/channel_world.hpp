// SPDX-License-Identifier: BSD-2-Clause
//
// A host and a guest joined by a network that loses, doubles, delays and so reorders, in simulated
// time. Either side may be restarted at any moment; what the kernel holds (downlink, veto word,
// device) stays.
#pragma once

#include "loader/core/guest_channel.hpp"
#include "loader/core/host_channel.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace hitless::test {

using std::chrono::milliseconds;

struct ChannelStep {
    enum What {
        give,
        take,
        host_dies,
        host_starts,
        controller_dies,
        controller_starts,
        reboot,   ///< and nobody tells the host
        reset,    ///< and the monitor tells the host
        carrier,  ///< of the primary: lost, or back
        snapshot, ///< the guest's memory is saved
        revert,   ///< and restored
        lie,      ///< random messages to both
        whats
    } what;
    milliseconds wait;
};

class ChannelWorld {
  public:
    struct Network {
        int lost = 0, doubled = 0; ///< percent
        milliseconds delay{0};     ///< at most
    };
    static constexpr milliseconds deadline{250}, worst_delay{3000};
    static constexpr std::chrono::seconds longest_pause{10}; ///< after a primary was lost often

    explicit ChannelWorld(unsigned seed, Network network) : network_(network), random_(seed) {}

    void apply(const ChannelStep &step) {
        run(now_ + step.wait);
        switch (step.what) {
        case ChannelStep::give: request_ = true; break;
        case ChannelStep::take: request_ = false; break;
        case ChannelStep::host_dies: host_.reset(); break;
        case ChannelStep::host_starts: start_host(); break;
        case ChannelStep::controller_dies: guest_.reset(); break;
        case ChannelStep::controller_starts: start_controller(); break;
        case ChannelStep::reboot: reboot(); break;
        case ChannelStep::reset:
            reboot();
            if (host_) host_->guest_reset();
            reset_told_ = true;
            break;
        case ChannelStep::carrier: set_carrier(!carrier_); break;
        case ChannelStep::snapshot:
            snapshot_ = guest_ ? std::make_unique<GuestChannel>(*guest_) : nullptr;
            snapshot_boots_ = boots_;
            break;
        case ChannelStep::revert:
            if (!snapshot_ || snapshot_boots_ != boots_ || !guest_) break;
            guest_ = std::make_unique<GuestChannel>(*snapshot_);
            boot_changed_ = true; // it has forgotten what it said
            break;
        case ChannelStep::lie: lie(); break;
        case ChannelStep::whats: break;
        }
        step_both();
    }

    /// The network is good from now on, both sides are there, and time passes.
    void settle() {
        network_ = {.lost = 0, .doubled = 0, .delay = milliseconds(1)};
        if (!host_) start_host();
        if (!guest_) start_controller();
        set_carrier(true);
        step_both();
        run(now_ + worst_delay + longest_pause + std::chrono::seconds(12));
    }

    void run(Instant until) {
        while (true) {
            Instant next = std::min({host_again_, guest_again_, device_again()});
            for (const Flight &flight : flights_)
                next = std::min(next, flight.at);
            if (next > until) break;
            now_ = std::max(now_, next);
            arrive();
            step_both();
        }
        now_ = until;
    }

    /// What the guest sends by its primary leads frames there, without that anybody moved them.
    void learn_primary() {
        downlink_ = DataPath::primary;
        learnt_ = true;
    }

    bool request() const { return request_; }
    bool sends_by_primary() const { return device_ && carrier_ && !(vetoed_ && drained()); }
    bool uses_primary() const { return device_ && carrier_ && !vetoed_; }
    bool plugged() const { return device_; }
    DataPath downlink() const { return downlink_; }
    const HostChannel &host() const { return *host_; }
    const GuestChannel &guest() const { return *guest_; }
    Instant now() const { return now_; }

    // What was seen to go wrong: all must stay 0.
    unsigned early_downlinks = 0; ///< to the primary before the guest was ready there
    unsigned early_takes =
        0; ///< moved though the guest still sent by the primary, before the deadline
    unsigned early_unplugs = 0;
    unsigned unprepared_plugs = 0; ///< the NIC was not told before
    unsigned late_changes = 0;     ///< it was told otherwise while the device was in the guest
    unsigned lies_obeyed = 0;
    unsigned late_takes = 0; ///< the deadline is over and the downlink has not moved
    // What was sent.
    unsigned host_messages = 0, guest_messages = 0, answers_wanted = 0;
    unsigned messages_unasked = 0; ///< from the guest before a host has spoken
    unsigned deliveries = 0;
    bool refuses = false; ///< moves to the primary
    unsigned refusals = 0;
    bool learnt() const { return learnt_; }

  private:
    struct Flight {
        Instant at;
        bool to_host;
        std::vector<uint8_t> bytes;
    };

    int percent() { return static_cast<int>(random_() % 100); }
    uint64_t nonce() { return (uint64_t{random_()} << 32) | random_() | 1; }

    void start_host() {
        host_ = std::make_unique<HostChannel>(HostChannel::Settings{.deadline = deadline}, nonce());
        host_again_ = now_;
        boot_changed_ = false;
    }
    void start_controller() {
        guest_ = std::make_unique<GuestChannel>(boot_, static_cast<uint64_t>(now_.count()) + 1);
        guest_again_ = now_;
    }
    void reboot() {
        boot_ = nonce();
        boots_++;
        vetoed_ = false;
        last_ready_ = usable() ? now_ : last_ready_;
        boot_changed_ = true;
        spoken_ = false;
        if (guest_) start_controller();
    }
    bool usable() const { return device_ && carrier_; }
    void set_carrier(bool on) {
        if (usable()) last_ready_ = now_;
        carrier_ = on;
    }
    bool drained() const { return vetoed_ && now_ >= drained_at_; }
    Instant device_again() const {
        Instant never = Instant::max();
        return std::min(plug_at_.value_or(never),
                        vetoed_ && now_ < drained_at_ ? drained_at_ : never);
    }

    void send(const ChannelMessage &message, bool to_host) {
        (to_host ? guest_messages : host_messages)++;
        answers_wanted += message.answer;
        if (to_host && !spoken_) messages_unasked++;
        if (percent() < network_.lost) return;
        int copies = percent() < network_.doubled ? 2 : 1;
        for (int i = 0; i < copies; i++) {
            Instant delay(network_.delay.count() ? random_() % Instant(network_.delay).count() : 0);
            if (network_.delay > milliseconds(10) && percent() < 3) delay = worst_delay;
            flights_.push_back(
                {now_ + delay, to_host,
                 message.id.epoch % 2 ? encode_message(message) : encode_frame(Mac{}, message)});
        }
    }

    void arrive() {
        for (size_t i = 0; i < flights_.size();) {
            if (flights_[i].at > now_) {
                i++;
                continue;
            }
            Flight flight = flights_[i];
            flights_.erase(flights_.begin() + static_cast<ptrdiff_t>(i));
            DecodedMessage heard = decode_message(flight.bytes);
            if (heard.fault != MessageFault::none) heard = decode_frame(flight.bytes);
            if (flight.to_host && host_) host_->hear(heard.message, now_);
            if (!flight.to_host && guest_) {
                spoken_ = true;
                guest_->hear(heard.message, now_);
            }
        }
        if (plug_at_ && now_ >= *plug_at_) {
            if (usable()) last_ready_ = now_;
            device_ = plug_to_;
            if (vetoed_) drained_at_ = now_; // nothing was ever sent by it
            plug_at_.reset();
        }
    }

    /// A liar knows everything but what it would have to hear for it: our nonce.
    void lie() {
        for (int i = 0; i < 20; i++) {
            ChannelMessage message{.side = percent() < 50 ? ChannelSide::host : ChannelSide::guest,
                                   .version = 1,
                                   .answer = percent() < 50,
                                   .adopted = true,
                                   .id = {nonce(), nonce() >> 2},
                                   .echo = {nonce(), nonce() >> 2},
                                   .guest = {true, static_cast<GuestPrimary>(random_() % 5), 0},
                                   .host = {static_cast<DataPath>(random_() % 3),
                                            static_cast<DataPath>(random_() % 3), 60'000}};
            if (message.side == ChannelSide::guest) {
                message.host = {};
                if (host_) lies_obeyed += host_->hear(message, now_);
            } else {
                message.guest = {};
                if (guest_) {
                    spoken_ = true;
                    lies_obeyed += guest_->hear(message, now_);
                }
            }
        }
    }

    void step_both() {
        step_host();
        step_guest();
    }

    void step_guest() {
        guest_again_ = Instant::max();
        if (!guest_) return;
        for (int i = 0; i < 3; i++) {
            GuestPrimary primary = !device_    ? GuestPrimary::none
                                   : !carrier_ ? GuestPrimary::present
                                   : vetoed_   ? GuestPrimary::ready
                                               : GuestPrimary::in_use;
            auto actions = guest_->step({.able = true,
                                         .primary = primary,
                                         .slot = 0,
                                         .vetoed = vetoed_,
                                         .drained = drained()},
                                        now_);
            if (actions.send) send(*actions.send, true);
            guest_again_ = actions.again.value_or(Instant::max());
            if (actions.veto == vetoed_) break;
            vetoed_ = actions.veto;
            drained_at_ = now_ + milliseconds(random_() % 20);
        }
    }

    void step_host() {
        host_again_ = Instant::max();
        if (!host_) return;
        for (int i = 0; i < 4; i++) {
            auto actions = host_->step({.give = request_,
                                        .downlink = downlink_,
                                        .plugged = device_,
                                        .elsewhere = false,
                                        .learnt = learnt_},
                                       now_);
            if (request_ != seen_request_) {
                seen_request_ = request_;
                boot_changed_ = false;
            }
            bool over = now_ >= host_->since() + deadline;
            if (actions.deliver) deliver(*actions.deliver, over);
            if (!request_ && over && downlink_ != DataPath::standby) late_takes++;
            if (actions.prepare) prepare(*actions.prepare);
            if (actions.plug && !prepared_) unprepared_plugs++;
            if (actions.plug != device_ && (actions.plug || actions.unplug) && !plug_at_) {
                // What was reset and has not spoken since has nothing to lose.
                reset_told_ &= !host_->guest();
                if (actions.unplug && sends_by_primary() && !over && !boot_changed_ && !reset_told_)
                    early_unplugs++;
                plug_to_ = actions.plug;
                plug_at_ = now_ + milliseconds(random_() % 100);
            }
            if (actions.send) send(*actions.send, false);
            host_again_ = actions.again.value_or(Instant::max());
            if (!actions.deliver) break;
        }
    }

    void prepare(bool wanted) {
        if (prepared_ != wanted && device_) late_changes++;
        prepared_ = wanted;
    }

    void deliver(DataPath to, bool over) {
        deliveries++;
        if (to == DataPath::primary && refuses) {
            refusals++;
            return;
        }
        learnt_ = false;
        if (to == DataPath::primary && !usable() &&
            (!last_ready_ || now_ > *last_ready_ + worst_delay))
            early_downlinks++;
        if (to == DataPath::standby && !request_ && sends_by_primary() && !over && !boot_changed_)
            early_takes++;
        downlink_ = to;
    }

    Network network_;
    std::mt19937 random_;
    Instant now_{std::chrono::seconds(1)};
    std::vector<Flight> flights_;
    // The host.
    std::unique_ptr<HostChannel> host_;
    bool request_ = false, seen_request_ = false;
    bool reset_told_ = false; ///< the host knows of a reset, and of nothing since
    DataPath downlink_ = DataPath::unknown;
    bool learnt_ = false;
    Instant host_again_ = Instant::max();
    std::optional<Instant> plug_at_;
    bool plug_to_ = false, prepared_ = false;
    // The guest.
    std::unique_ptr<GuestChannel> guest_, snapshot_;
    unsigned boots_ = 0, snapshot_boots_ = 0;
    uint64_t boot_ = 1;
    bool vetoed_ = false, device_ = false, carrier_ = true, spoken_ = false;
    bool boot_changed_ = false; ///< since the request, or since the daemon began
    Instant drained_at_{0}, guest_again_ = Instant::max();
    std::optional<Instant> last_ready_; ///< when a primary that received stopped to
};

} // namespace hitless::test
