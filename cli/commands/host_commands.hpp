// SPDX-License-Identifier: BSD-2-Clause
//
// The subcommands of `hitless host`.
#pragma once

#include "cli/command.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace hitless::cli {

/// Of the daemon's control socket in the state directory.
inline constexpr auto host_socket = "host-control";

/// What the daemon of this network namespace tells; nothing where none runs.
std::optional<nlohmann::ordered_json> host_daemon_status();

Run setup_host_run(CLI::App &);
Run setup_host_give(CLI::App &);
Run setup_host_take(CLI::App &);
Run setup_host_status(CLI::App &);
Run setup_host_events(CLI::App &);
Run setup_host_check(CLI::App &);

} // namespace hitless::cli
