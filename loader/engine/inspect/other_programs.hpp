// SPDX-License-Identifier: BSD-2-Clause
//
// What other people's programs on a pair's devices do to the pair, and the pair to them
// (docs/other-programs.md). Whether ours are called is observed: where somebody stands ahead of
// ours, a question of our own must move our counters. Where nobody does, nothing is sent.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/members.hpp"

namespace hitless {

/// All members but the primary are there.
void find_other_programs(std::vector<Problem> &out, const Pair &, PairNamespaces &,
                         const Members &);

} // namespace hitless
