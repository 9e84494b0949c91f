// SPDX-License-Identifier: BSD-2-Clause
//
// A host's guests and events for people and for programs. The JSON is stable as json.hpp's.
#pragma once

#include "loader/host/guest_status.hpp"

#include <nlohmann/json_fwd.hpp>

namespace hitless::cli {

nlohmann::ordered_json to_json(const GuestStatus &);
nlohmann::ordered_json to_json(const HostEvent &);

/// For what a control socket answered.
std::string guests_table(const nlohmann::ordered_json &guests);
std::string guest_text(const nlohmann::ordered_json &guest);
std::string host_event_line(const nlohmann::ordered_json &event);

} // namespace hitless::cli
