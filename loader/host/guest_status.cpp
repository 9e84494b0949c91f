// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/guest_status.hpp"

namespace hitless {

const char *name(HostEvent::Kind kind) {
    switch (kind) {
    case HostEvent::Kind::give: return "give";
    case HostEvent::Kind::take: return "take";
    case HostEvent::Kind::fallback: return "fallback";
    }
    return "?";
}

bool GuestStatus::as_wished() const {
    bool there = give ? phase == HostChannel::Phase::given && downlink == DataPath::primary
                      : phase == HostChannel::Phase::absent ||
                            (phase == HostChannel::Phase::taken && downlink == DataPath::standby);
    return tap && there && problems.empty();
}

} // namespace hitless
