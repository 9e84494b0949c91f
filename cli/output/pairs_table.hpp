// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/api.hpp"

#include <string>
#include <vector>

namespace hitless::cli {

/// One line a pair, under headings.
std::string pairs_table(const std::vector<PairStatus> &);

/// "eth1", "eth1 (no carrier)", "none"
std::string nic_cell(const NicStatus &);

} // namespace hitless::cli
