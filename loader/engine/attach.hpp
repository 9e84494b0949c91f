// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/hitless.hpp"

namespace hitless {

/// attach() without its wait for a proof of the path: whoever keeps the pair sees to that.
std::string make_pair(const AttachRequest &);

} // namespace hitless
