// SPDX-License-Identifier: BSD-2-Clause
//
// The outcome as people read it (fits 100 columns) and as programs do.
#pragma once

#include "cli/demo/performance.hpp"

#include <string>

namespace hitless::cli::demo {

std::string table(const Report &);
std::string json(const Report &);

/// The timeline as a picture: frames per 10 ms and path, flips, names of events.
std::string svg(const Report &);

} // namespace hitless::cli::demo
