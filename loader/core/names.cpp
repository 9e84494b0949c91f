// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/names.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless {

std::vector<std::string_view> reason_names(uint64_t veto) {
    std::vector<std::string_view> out;
    for (const VetoReason &reason : veto_reasons)
        if (veto & reason.bit) out.push_back(reason.name);
    return out;
}

std::string_view datapath_name(hl_datapath datapath) {
    return datapath == HL_DATAPATH_XDP ? "xdp" : "tc";
}

std::optional<hl_liveness> parse_liveness(std::string_view name) {
    if (name == "best") return std::nullopt;
    for (size_t i = 0; i < std::size(liveness_names); i++)
        if (name == liveness_names[i]) return static_cast<hl_liveness>(i);
    throw Error(EINVAL, fmt::format("read the liveness '{}'", name), "it is none",
                fmt::format("use best, {}", fmt::join(liveness_names, ", ")));
}

} // namespace hitless
