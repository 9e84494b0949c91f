// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/pairs_table.hpp"
#include "cli/output/table.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hitless::cli {
std::string nic_cell(const NicStatus &nic) {
    if (!nic.present) return "none";
    if (!nic.up) return nic.ifname + " (down)";
    return nic.carrier ? nic.ifname : nic.ifname + " (no carrier)";
}

std::string pairs_table(const std::vector<PairStatus> &pairs) {
    std::vector<std::vector<std::string>> rows;
    for (const PairStatus &pair : pairs)
        rows.push_back(
            {pair.name, std::string(path_name(pair.primary_active)),
             pair.healthy() ? "healthy" : "degraded", nic_cell(pair.primary),
             nic_cell(pair.standby), std::string(model_name(pair.model)),
             fmt::format("{}", pair.flips),
             pair.veto ? fmt::format("{}", fmt::join(reason_names(pair.veto), ",")) : "none"});
    return table_text({"PAIR", "ACTIVE", "HEALTH", "PRIMARY", "STANDBY", "MODEL", "FLIPS", "VETO"},
                      rows);
}

} // namespace hitless::cli
