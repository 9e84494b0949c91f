// SPDX-License-Identifier: BSD-2-Clause
//
// Notices that somebody took a program of ours off, or that others came to stand behind ours in
// tcx, where a redirect of ours hides frames from them (docs/adr/0003). The kernel tells nobody of
// what changes there, so whoever keeps a pair looks now and then, when it is awake anyway;
// repair_hooks() mends it.
#pragma once

#include "loader/core/types.hpp"
#include "loader/engine/members/namespaces.hpp"
#include "loader/kernel/state/pair.hpp"

namespace hitless {

class HookOrder {
  public:
    /// Looks, if the last look was long enough ago; less often while that changes nothing.
    bool is_disturbed(const Pair &, PairNamespaces &);

  private:
    static constexpr Instant least_pause = std::chrono::milliseconds(200);

    Instant looked_{0};
    Instant pause_ = least_pause;
};

} // namespace hitless
