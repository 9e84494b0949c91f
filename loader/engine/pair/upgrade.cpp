// SPDX-License-Identifier: BSD-2-Clause
#include "loader/api.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/takeover.hpp"

#include <fmt/format.h>
#include <optional>

namespace hitless {
namespace {

/// Nothing where there is nothing to do.
std::optional<Upgraded> upgrade_pair(StateDir &dir, Rtnl &rtnl, const std::string &name,
                                     bool check_only) {
    Upgraded out;
    out.standby = name;
    try {
        {
            PairRecord record(dir.path(name), Versions::known);
            if (record.state().abi_version == HL_ABI_VERSION) return std::nullopt;
            out.standby = record.state().standby_id.ifname;
            out.from = record.state().abi_version;
        }
        if (check_only)
            check_takeover(dir, rtnl, name);
        else
            out.remark = take_over(dir, rtnl, name);
    } catch (const Error &error) {
        out.refused = error.what();
    }
    return out;
}

} // namespace

std::vector<Upgraded> upgrade(bool check_only) {
    std::vector<Upgraded> out;
    Rtnl rtnl;
    StateDir dir;
    if (!dir.mounted()) return out;
    StateDir::Lock lock = dir.lock();
    if (!check_only) clear_stage(dir, rtnl);
    for (const std::string &name : own_pairs(dir))
        if (std::optional<Upgraded> pair = upgrade_pair(dir, rtnl, name, check_only))
            out.push_back(std::move(*pair));
    return out;
}

} // namespace hitless
