// SPDX-License-Identifier: BSD-2-Clause
//
// What `hitless watch` shows. Pure: two looks at the pairs in, lines out that fit the screen.
#pragma once

#include "loader/api.hpp"

#include <deque>
#include <string>
#include <vector>

namespace hitless::cli {

/// One look.
struct Sample {
    std::vector<PairStatus> pairs;
    std::optional<int> controller;
    Instant time{};
    std::vector<UnreadablePair> unreadable{}; ///< beside those
};

struct Line {
    std::string text; ///< printable ASCII, not longer than the screen is wide
    enum Style { plain, bold, alarm } style = plain;
};

/// At most `rows` lines of at most `columns` letters. Rates are those since `before`; `flips` are
/// flip_line()s, newest first.
std::vector<Line> view(const Sample &now, const Sample &before,
                       const std::deque<std::string> &flips, unsigned columns, unsigned rows);

} // namespace hitless::cli
