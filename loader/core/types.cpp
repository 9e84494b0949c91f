// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/types.hpp"

#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {

std::string Mac::text() const {
    return fmt::format("{:02x}", fmt::join(bytes, ":"));
}

std::optional<Mac> Mac::parse(std::string_view text) {
    Mac mac;
    if (text.size() != 17) return std::nullopt;
    for (size_t i = 0; i < 6; i++) {
        const char *at = text.data() + 3 * i;
        auto [end, error] = std::from_chars(at, at + 2, mac.bytes[i], 16);
        if (error != std::errc{} || end != at + 2) return std::nullopt;
        if (i < 5 && at[2] != ':') return std::nullopt;
    }
    return mac;
}

} // namespace hitless
