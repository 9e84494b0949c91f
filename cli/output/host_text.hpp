// SPDX-License-Identifier: BSD-2-Clause
//
// A host's guests and events for people, from the JSON that its control socket answers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hitless::cli {

std::string guests_table(const nlohmann::ordered_json &guests);
/// What a guest that is not as requested waits for.
std::string awaited(const nlohmann::ordered_json &guest);
std::string guest_text(const nlohmann::ordered_json &guest);
std::string host_event_line(const nlohmann::ordered_json &event);

} // namespace hitless::cli
