// SPDX-License-Identifier: BSD-2-Clause
//
// Who has a BPF map open. Looks at every descriptor of the machine: for the message about somebody
// who is in the way, not for a decision.
#pragma once

#include <cstdint>
#include <vector>

namespace hitless {

/// Other processes, as far as /proc shows them.
std::vector<int> processes_with_map(uint32_t id);

} // namespace hitless
