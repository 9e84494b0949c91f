// SPDX-License-Identifier: BSD-2-Clause
//
// What happens to a pair in its life, as a list. Each event begins where the one before it ended.
#pragma once

#include "cli/demo/event.hpp"

#include <span>

namespace hitless::cli::demo {

std::span<const Event> story();
/// The same of a guest whose hypervisor gives and takes its primary. (host_story.cpp)
std::span<const Event> host_story();

inline constexpr const char *moves_event = "gives and takes";
inline constexpr const char *control_event = "control (no event)";
inline constexpr const char *planned_event = "planned switch";

} // namespace hitless::cli::demo
