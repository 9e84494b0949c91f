// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/host/delivery.hpp"

#include <string>
#include <vector>

namespace hitless::cli {

inline constexpr auto default_host_config = "/etc/hitless/host.toml";

/// Reads a hypervisor's guests (docs/host.md): `file`, which may be absent unless it must exist,
/// and then FILE.d/*.toml. Throws Error(EINVAL) whose text starts with file:line:column and names
/// the offending key; another errno for what cannot be read.
std::vector<GuestSpec> read_host_config(const std::string &file, bool must_exist);

struct HostConfig {
    std::vector<GuestSpec> guests;
    std::vector<std::string> problems; ///< files of FILE.d that are left out, and why
};
/// For a daemon, which serves other guests as well: a mistake in one of FILE.d leaves that file
/// out, and its guests as they are in `former`.
HostConfig read_host_config_but_for_mistakes(const std::string &file, bool must_exist,
                                             const std::vector<GuestSpec> &former);

} // namespace hitless::cli
