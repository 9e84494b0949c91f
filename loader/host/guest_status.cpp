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

bool GuestStatus::as_requested() const {
    using Phase = HostChannel::Phase;
    bool used = said && said->primary == GuestPrimary::in_use && !silent;
    bool left = said ? said->primary == GuestPrimary::none || said->primary == GuestPrimary::left
                     : !overdue;
    bool given = phase == Phase::given && downlink == DataPath::primary && used;
    bool taken = phase == Phase::absent ||
                 (phase == Phase::taken && left && (downlink == DataPath::standby || elsewhere));
    return tap && (give ? given : taken) && problems.empty();
}

} // namespace hitless
