// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/api.hpp"

#include <string>

namespace hitless::cli {

inline constexpr auto default_config = "/etc/hitless/hitless.toml";

/// Reads a controller's configuration (docs/configuration.md): `file`, which may be absent unless
/// it must exist, and then FILE.d/*.toml. Throws Error(EINVAL) whose text starts with
/// file:line:column and names the offending key; another errno for what cannot be read.
Controller::Options read_config(const std::string &file, bool must_exist);

} // namespace hitless::cli
