// SPDX-License-Identifier: BSD-2-Clause
//
// What a Host tells of a guest: how it stands, and what became of a give or a take.
#pragma once

#include "loader/core/host_channel.hpp"
#include "loader/host/delivery.hpp"
#include "loader/host/monitor.hpp"
#include "maps/hitless_host.h"

namespace hitless {

/// What became of one give or take, or of a primary that the guest lost by itself.
struct HostEvent {
    enum class Kind { give, take, fallback };
    std::string guest;
    Kind kind = Kind::give;
    Instant began{0};         ///< it was requested
    Instant answered{0};      ///< the guest was ready, or had left; 0: the deadline came first
    Instant moved{0};         ///< the downlink was read back where it belongs
    bool overdue = false;     ///< moved without the guest's word
    uint64_t lost_frames = 0; ///< that the two ports count as dropped meanwhile
};
const char *name(HostEvent::Kind);

struct GuestStatus {
    GuestSpec spec;
    bool tap = false;  ///< the standby's tap is there
    bool give = false; ///< what is requested
    HostChannel::Phase phase = HostChannel::Phase::waiting;
    DataPath downlink = DataPath::unknown;
    bool held = false;
    bool overdue = false;
    bool elsewhere = false; ///< the bridge heard it last by neither of its ports
    Instant since{0};       ///< of what is requested
    std::optional<Instant> last_heard;
    std::optional<GuestStatement> said;   ///< nothing: no hitless is heard in the guest
    bool silent = false;                  ///< it spoke, and was not heard for a while
    std::optional<Monitor::State> device; ///< nothing: somebody else plugs
    bool kept = false;                 ///< a take has failed: the guest did not release the device
    std::vector<std::string> problems; ///< each with its way out
    hl_tap counts{};
    uint64_t sent = 0; ///< messages, since this process began

    /// It is as it was requested to be, by the guest's own word where that is heard: it uses its
    /// primary, or has left it. Nothing is in the way.
    bool as_requested() const;
};

} // namespace hitless
