// SPDX-License-Identifier: BSD-2-Clause
//
// What an older version has written, read as ours (docs/adr/0011-upgrade-in-place.md). Whoever
// changes the ABI changes this: the record of a pair of HL_ABI_FORMER becomes one of
// HL_ABI_VERSION.
//
//   hl_pair ours = from_former(former.state(), now());
#pragma once

#include "loader/core/types.hpp"
#include "maps/hitless_abi.h"

namespace hitless {

/// A pair's record of HL_ABI_FORMER as one of ours, taken over at this time. ABI 6 had everything
/// but what ABI 7 has put into room that was empty, so its record may also be read as it stands.
hl_pair from_former(const hl_pair &former, Instant when);

/// What became of a word of reasons between two looks.
struct VetoChange {
    uint64_t set, cleared;
};
VetoChange change_of(uint64_t before, uint64_t after);

} // namespace hitless
