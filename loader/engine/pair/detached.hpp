// SPDX-License-Identifier: BSD-2-Clause
//
// What people have detached under a controller, which must not make the pair again on the next
// occasion: a file a standby in the state directory, known by the bus it is on or, where it has
// none, by its number. It goes with the next `attach`, a reload, or /run itself.
#pragma once

#include "loader/kernel/state/state_dir.hpp"

#include <string>

namespace hitless {

struct Link;

/// All under the lock, so that a controller that waits for it sees what was decided meanwhile.
void note_detached(const StateDir &, const Link &standby);
void forget_detached(const StateDir &, const Link &standby);
/// Of all standbys of this network namespace.
void forget_detached(const StateDir &);
bool is_detached(const StateDir &, const Link &standby);

/// Names of all files in the state directory that belong to one network namespace, whichever.
std::vector<std::string> files_of_namespaces(const StateDir &);

} // namespace hitless
