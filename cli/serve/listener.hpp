// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/fd.hpp"

#include <string>

namespace hitless::cli {

/// A listening unix socket at `path`, for root and, if named, for a group, which may then pass the
/// directory, too. A socket file that nobody serves any more is replaced. Throws.
Fd listen_at(const std::string &path, const std::string &group);

} // namespace hitless::cli
