// SPDX-License-Identifier: BSD-2-Clause
//
// What libxdp pins of its dispatchers: a directory for each, with the programs that it runs, named
// after the device's number and its own. A number is another device's in another network namespace,
// and the directories of all stand beside each other: libxdp_clean_references() removes those of
// running dispatchers elsewhere, whose programs nobody finds afterwards. So we clean up ourselves.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace hitless {

/// Removes what is pinned for dispatchers of a device of the caller's namespace that do not run,
/// or no more, if they have one of these programs.
void remove_stale_dispatchers(uint32_t ifindex, std::initializer_list<uint32_t> programs);

} // namespace hitless
