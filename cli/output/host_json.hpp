// SPDX-License-Identifier: BSD-2-Clause
//
// The stable JSON of a host's guests and events, as json.hpp's.
#pragma once

#include "loader/host/guest_status.hpp"

#include <nlohmann/json_fwd.hpp>

namespace hitless::cli {

nlohmann::ordered_json to_json(const GuestStatus &);
nlohmann::ordered_json to_json(const HostEvent &);

} // namespace hitless::cli
