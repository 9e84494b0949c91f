// SPDX-License-Identifier: BSD-2-Clause
#include "loader/hitless.hpp"

namespace hitless {
std::vector<Finding> examine_machine() { return {}; }
} // namespace hitless
