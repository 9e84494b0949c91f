// SPDX-License-Identifier: BSD-2-Clause
//
// Keeps our programs behind those that others attach later, where a redirect of ours would hide
// frames from them (docs/adr/0003). The kernel tells nobody of a new program, so whoever keeps a
// pair looks now and then, when it is awake anyway.
#pragma once

#include "loader/engine/places.hpp"
#include "loader/hitless.hpp"
#include "loader/kernel/pair.hpp"

namespace hitless {

/// A hook of the pair's on a device that others may use as well.
struct SharedHook {
    hl_hook_place place;
    Place where;
    std::string shown; ///< its device
};
/// Those that the pair has now.
std::vector<SharedHook> shared_hooks(const Pair &);

class Order {
  public:
    /// Looks, if the last look was long enough ago, and moves what stands before others.
    void keep(Pair &, Places &, const Note &);

  private:
    Instant looked_{0};
};

} // namespace hitless
