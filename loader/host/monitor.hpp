// SPDX-License-Identifier: BSD-2-Clause
//
// Who plugs a guest's primary in and out, and says when the guest was reset or migrates.
//
//   monitor.plug(now);                       // begins; again while state() differs
//   poll(monitor.fd()) until monitor.deadline(); monitor.process(now);
#pragma once

#include "loader/core/types.hpp"

#include <memory>
#include <optional>
#include <string>

namespace hitless {

class Monitor {
  public:
    struct State {
        std::optional<bool> plugged;  ///< the device is in the machine; nothing: not known
        bool ready = false;           ///< it can be plugged and unplugged now
        bool migrating = false;       ///< which keeps it from being
        bool elsewhere = false;       ///< the guest does not run here: not yet, or not any more
        std::optional<Instant> since; ///< when the unplugging began that the guest has not answered
        std::string problem;          ///< with its way out; empty: none
    };
    virtual ~Monitor() = default;

    /// Each does nothing while the last one runs, or while not ready.
    virtual void plug(Instant now) = 0;
    virtual void unplug(Instant now) = 0;
    /// The device may be as it is: what was refused is over, and the next unplug() begins anew,
    /// though the guest may still answer the last one.
    virtual void stay() = 0;
    /// Resets the machine: what is being unplugged is gone after it, whatever the guest wants.
    virtual void reset(Instant now) = 0;
    /// The guest was reset, not by us, since this was asked last.
    virtual bool take_reset() = 0;

    virtual int fd() const = 0; ///< readable when process() has something to do
    virtual std::optional<Instant> deadline() const = 0;
    virtual void process(Instant now) = 0;

    const State &state() const { return state_; }

  protected:
    State state_;
};

/// By QEMU's own protocol on a monitor socket that no one else uses. `device`: the arguments of
/// device_add, JSON, with an `id`; throws Error when it is not. `nic`: an address of the guest, by
/// which another machine's monitor is told.
std::unique_ptr<Monitor> monitor_by_qmp(const std::string &path, const std::string &device,
                                        const Mac &nic);

} // namespace hitless
