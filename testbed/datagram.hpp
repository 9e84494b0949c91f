// SPDX-License-Identifier: BSD-2-Clause
//
// What every datagram of a flow begins with. Host byte order: both ends are on one machine, or in a
// guest of it.
#pragma once

#include <cstdint>

namespace hitless::testbed {

struct Datagram {
    static constexpr std::uint32_t expected_magic = 0x686c6673; // "hlfs"

    std::uint32_t magic;
    std::uint32_t id = 0;      ///< FlowSpec::id
    std::uint64_t seq = 0;     ///< from 0
    std::uint64_t sent_ns = 0; ///< CLOCK_MONOTONIC of the sending machine
};
static_assert(sizeof(Datagram) == 24);

} // namespace hitless::testbed
