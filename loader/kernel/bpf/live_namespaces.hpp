// SPDX-License-Identifier: BSD-2-Clause
//
// Which network namespaces the kernel still has: the kernel's own list, not a search through /proc,
// which sees neither what is held by a socket or a descriptor nor what another container holds.
#pragma once

#include <cstdint>
#include <set>

namespace hitless {

/// Those of these cookies (netns_cookie()) whose namespace is gone for good. Empty where the kernel
/// cannot be asked: what is not known to be gone may live.
std::set<uint64_t> gone_namespaces(const std::set<uint64_t> &cookies);

} // namespace hitless
