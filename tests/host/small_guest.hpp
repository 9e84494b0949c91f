// SPDX-License-Identifier: BSD-2-Clause
//
// A guest that only speaks: the guest's half of the channel on the standby's own wire, without a
// controller. What its primary is to it is for the test to say.
#pragma once

#include "loader/core/guest_channel.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "testbed/raw.hpp"

#include <functional>
#include <random>

namespace hitless::test {

class SmallGuest {
  public:
    SmallGuest(testbed::PacketSocket socket, const Mac &mac)
        : socket_(std::move(socket)), mac_(mac), channel_(boot_++, 1) {
        socket_.bypass_tc(); // which would lead it to the primary
    }

    bool able = true;
    bool silent = false;                       ///< hears and says nothing
    bool proven = true;                        ///< a ready primary is used when it may be
    bool stubborn = false;                     ///< uses its primary whatever the host wants
    unsigned deaf_percent = 0;                 ///< of the messages, each way
    GuestPrimary primary = GuestPrimary::none; ///< none, present or ready; in use is found out
    std::function<void(bool)> on_veto; ///< steers the pair that it speaks for, if there is one
    unsigned said = 0, heard = 0;
    std::vector<uint8_t> last_said; ///< the whole frame

    bool vetoed() const { return vetoed_; }
    bool sends_by_primary() const {
        return primary == GuestPrimary::ready && (stubborn || !vetoed_);
    }
    const HostStatement *host() const { return channel_.host(); }

    /// Does what is due.
    void process() {
        while (auto frame = socket_.next(std::chrono::milliseconds(0))) {
            DecodedMessage message = decode_frame(frame->bytes);
            if (silent || message.fault != MessageFault::none || lost()) continue;
            heard++;
            channel_.hear(message.message, now());
            due_ = Instant{0};
        }
        while (!silent && due_ <= now()) {
            bool used = sends_by_primary() && proven;
            GuestPrimary seen = used ? GuestPrimary::in_use : primary;
            auto actions = channel_.step({able, seen, 0, vetoed_ && !stubborn, !stubborn}, now());
            if (stubborn) actions.veto = false;
            if (actions.send && !lost()) {
                last_said = encode_frame(mac_, *actions.send);
                socket_.send(last_said);
                said++;
            }
            bool changed = vetoed_ != actions.veto;
            if (changed && on_veto) on_veto(actions.veto);
            vetoed_ = actions.veto;
            due_ = changed ? Instant{0} : actions.again.value_or(now() + rest);
            if (!changed) break;
        }
        due_ = std::min(due_, now() + rest); // what the test changes is noticed
    }

  private:
    static constexpr Instant rest = std::chrono::milliseconds(10);
    bool lost() { return random_() % 100 < deaf_percent; }

    inline static uint64_t boot_ = 1000;
    testbed::PacketSocket socket_;
    Mac mac_;
    GuestChannel channel_;
    std::minstd_rand random_{7};
    bool vetoed_ = false;
    Instant due_{0};
};

} // namespace hitless::test
