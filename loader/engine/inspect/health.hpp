// SPDX-License-Identifier: BSD-2-Clause
//
// What stands against a pair's health beside its programs and hooks, which status.cpp looks at:
// NICs that have drifted from their master, addresses and routes where no frame can come back to, a
// fallback that is none, a path that nobody has ever answered by, a controller that does not run.
#pragma once

#include "loader/api.hpp"
#include "loader/engine/members/members.hpp"

#include <string>
#include <vector>

namespace hitless {

/// A NIC that fits a pair without a primary.
struct Untaken {
    std::string name;              ///< empty: there is none that could be taken
    std::vector<Problem> problems; ///< why it is not
};
Untaken find_untaken(const Pair &, PairNamespaces &, const Members &);

/// `members` has a standby and a master.
void find_unhealthy(std::vector<Problem> &, const Pair &, PairNamespaces &, const Members &,
                    const PairStatus &);

} // namespace hitless
