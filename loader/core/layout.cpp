// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/layout.hpp"
#include "loader/core/names.hpp"

#include <algorithm>

namespace hitless {
namespace {

constexpr Layout layouts[] = {
    // model, NICs, has_failover, takes_name, bounces, may_be_netkit
    {HL_MODEL_TWO, PairNetns::guest, false, false, false, false},
    {HL_MODEL_THREE, PairNetns::guest, true, false, true, false},
    {HL_MODEL_HIDDEN, PairNetns::hidden, true, false, false, true},
    {HL_MODEL_ONE, PairNetns::hidden, true, true, false, true},
};

} // namespace

const Layout &layout_of(hl_model model) {
    const auto *at = std::ranges::find(layouts, model, &Layout::model);
    return at == std::end(layouts) ? layouts[0] : *at;
}

std::optional<hl_model> model_named(std::string_view name) {
    const auto *at = std::ranges::find_if(
        layouts, [&](const Layout &layout) { return model_name(layout.model) == name; });
    return at == std::end(layouts) ? std::nullopt : std::optional(at->model);
}

} // namespace hitless
