// SPDX-License-Identifier: BSD-2-Clause
//
// What is left of network namespaces that were deleted with their pairs: pins, which keep maps and
// programs alive, private namespaces, which keep NICs, and files. Whoever next holds the lock
// removes it, of whatever namespace; the evidence is the kernel's own list
// (kernel/bpf/live_namespaces.hpp).
#pragma once

#include "loader/kernel/state/state_dir.hpp"

#include <string>
#include <vector>

namespace hitless {

struct Remains {
    std::vector<std::string> pins;  ///< directories of pairs, stages and takeovers
    std::vector<std::string> netns; ///< names of private namespaces
    std::vector<std::string> files; ///< in the state directory itself
    bool empty() const { return pins.empty() && netns.empty() && files.empty(); }
};

/// Changes nothing.
Remains find_remains(const StateDir &);

/// Under the lock. Hardware in a private namespace falls back to the initial one, as the kernel
/// does with the NICs of any namespace that ends; virtual NICs end with it.
void remove_remains(const StateDir &);

} // namespace hitless
