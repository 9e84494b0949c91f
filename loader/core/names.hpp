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

std::string_view model_name(hl_model);
std::string_view datapath_name(hl_datapath);
constexpr std::string_view path_name(bool primary) {
    return primary ? "primary" : "standby";
}

/// "best", which is none, or a rung of the ladder; throws Error(EINVAL) for anything else.
std::optional<hl_liveness> parse_liveness(std::string_view);

} // namespace hitless
