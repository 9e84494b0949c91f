// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <vector>

namespace hitless::cli {

/// Columns as wide as they must be, headings above, a line end behind the last row.
std::string table_text(const std::vector<std::string> &headings,
                       const std::vector<std::vector<std::string>> &rows);

} // namespace hitless::cli
