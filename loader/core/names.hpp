// SPDX-License-Identifier: BSD-2-Clause
//
// The words of the contract (`-j`, C ABI, metrics, journal) for the values of the ABI; each is a
// string literal. maps/pair_view.hpp has those that come in tables.
#pragma once

#include "maps/pair_view.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace hitless {

/// The names of the reasons in a veto word.
std::vector<std::string_view> reason_names(uint64_t veto);

std::string_view datapath_name(hl_datapath);
/// Of a word in memory that others write, too: what is no actor is nobody.
constexpr hl_actor actor_of(uint32_t word) {
    return word < HL_ACTORS ? static_cast<hl_actor>(word) : HL_ACTOR_NOBODY;
}
constexpr std::string_view path_name(bool primary) {
    return primary ? "primary" : "standby";
}

/// "best", which is none, or a variant of liveness; throws Error(EINVAL) for anything else.
std::optional<hl_liveness> parse_liveness(std::string_view);

} // namespace hitless
