// SPDX-License-Identifier: BSD-2-Clause
//
// A guest's primary as a device that is plugged in and out: carries out by the guest's monitor what
// the channel orders, withdraws the device at a reset, and ends the wait for a guest that does not
// release it. Where no monitor is configured somebody else plugs, and nothing here does anything.
#pragma once

#include "loader/core/host_channel.hpp"
#include "loader/host/delivery.hpp"
#include "loader/host/monitor.hpp"

namespace hitless {

class PrimaryDevice {
  public:
    explicit PrimaryDevice(const GuestSpec &);

    /// For HostChannel::Input: nothing where somebody else plugs. Not known is as there: it is
    /// neither plugged twice nor called gone.
    std::optional<bool> plugged() const;
    /// What is told of it; nothing where somebody else plugs.
    const Monitor::State *state() const { return monitor_ ? &monitor_->state() : nullptr; }

    /// The guest was reset since this was asked last. The device is then withdrawn before what
    /// boots can see it, unless the guest may keep it.
    bool take_reset(Instant now);
    enum class Result { nothing, not_released };
    /// `taken`: somebody has ordered the take, and the guest's time is limited. not_released: it
    /// had its time to let go of the device, and the attempt is over.
    Result follow(const HostChannel::Actions &, bool taken, Instant now);

    int fd() const { return monitor_ ? monitor_->fd() : -1; }
    std::optional<Instant> deadline() const;
    void process(Instant now);

  private:
    std::unique_ptr<Monitor> monitor_;
    std::chrono::milliseconds limit_;
    bool reset_when_kept_; ///< the machine is reset when the guest does not release it
    /// The machine was reset, and is to be again as soon as the device is being unplugged.
    std::optional<Instant> reset_by_;
    std::optional<Instant> over_at_; ///< the time that the guest has to release it
    bool was_reset_ = false;         ///< for this take
    bool followed_ = false;          ///< since process(): over_at_ is looked at
};

} // namespace hitless
