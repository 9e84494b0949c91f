// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/path/host_link.hpp"
#include "loader/engine/path/path_monitor.hpp"

#include <optional>

namespace hitless {

/// Asks policy with what the NICs, the path monitor and the host's word (null: nobody listens for
/// it) say now, and applies the verdict. Returns when to ask again.
std::optional<Instant> apply_policy(Pair &, PairNamespaces &, PathMonitor &, HostLink *, hl_actor);

} // namespace hitless
