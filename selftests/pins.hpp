// SPDX-License-Identifier: BSD-2-Clause
//
// What this process's product has pinned, by the kernel's own numbers: the same numbers are the
// same objects, and a number that is gone is an object that ended.
#pragma once

#include "maps/hitless_abi.h"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace hitless::selftest {

std::string bpffs(); ///< the product's own
std::vector<std::filesystem::path> pins();

struct Ids {
    std::set<std::uint32_t> programs, maps, links;
    bool operator==(const Ids &) const = default;
};
Ids pinned_ids();
/// What runs by the pinned links.
std::set<std::uint32_t> linked_programs();
/// Frames under this name, of the one pair that is pinned.
std::uint64_t counted(hl_counter);
/// Of the pinned programs, those that use this map.
std::set<std::uint32_t> programs_with(std::uint32_t map);
bool gone(const Ids &);
/// 0 when nothing is pinned there.
std::uint32_t map_id(const std::filesystem::path &pin);

} // namespace hitless::selftest
