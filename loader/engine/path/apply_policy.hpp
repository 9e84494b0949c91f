// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/engine/members/namespaces.hpp"
#include "loader/engine/path/path_monitor.hpp"

#include <optional>

namespace hitless {

/// Asks policy with what the NICs and the path monitor say now, and applies the verdict. Returns
/// when to ask again.
std::optional<Instant> apply_policy(Pair &, PairNamespaces &, PathMonitor &, hl_actor);

} // namespace hitless
