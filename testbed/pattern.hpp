// SPDX-License-Identifier: BSD-2-Clause
//
// The content of the bulk stream: every eight bytes differ from every other eight, so a byte that
// was lost, doubled or moved shows at its offset. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace hitless::testbed {

/// `length` bytes of the stream from `offset` on, in `room`; returns where they begin.
inline const std::uint8_t *pattern(std::uint64_t offset, std::size_t length,
                                   std::vector<std::uint64_t> &room) {
    room.resize((offset % 8 + length + 7) / 8);
    std::uint64_t word = offset / 8;
    for (auto &value : room)
        value = ++word * 0x9e3779b97f4a7c15; // an odd factor: no two words are alike
    return reinterpret_cast<const std::uint8_t *>(room.data()) + offset % 8;
}

/// The index of the first byte that does not belong at `offset` + index.
inline std::optional<std::size_t> first_wrong(std::uint64_t offset,
                                              std::span<const std::uint8_t> got,
                                              std::vector<std::uint64_t> &room) {
    const std::uint8_t *want = pattern(offset, got.size(), room);
    if (got.empty() || std::memcmp(want, got.data(), got.size()) == 0) return {};
    std::size_t i = 0;
    while (want[i] == got[i])
        ++i;
    return i;
}

} // namespace hitless::testbed
