// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/host/guest_status.hpp"

#include <map>
#include <string>
#include <vector>

namespace hitless::cli {

/// Gives and takes since the daemon began, by guest and kind.
using HostCounts = std::map<std::string, std::map<HostEvent::Kind, uint64_t>>;

/// A host's guests as Prometheus reads them; names in docs/observing.md.
std::string host_metrics_text(const std::vector<GuestStatus> &, const HostCounts &);

} // namespace hitless::cli
