// SPDX-License-Identifier: BSD-2-Clause
//
// Notices that others came to stand behind our programs in tcx, where a redirect of ours hides
// frames from them (docs/adr/0003). The kernel tells nobody of a new program there, so whoever
// keeps a pair looks now and then, when it is awake anyway; repair_hooks() mends it.
#pragma once

#include "loader/core/types.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/kernel/state/pair.hpp"

namespace hitless {

class HookOrder {
  public:
    /// Looks, if the last look was long enough ago.
    bool is_disturbed(const Pair &, PairNamespaces &);

  private:
    Instant looked_{0};
};

} // namespace hitless
