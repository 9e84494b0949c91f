// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/takeover.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace hitless {
namespace {

/// What the record of a pair says of it, as far as it can be read.
Upgraded describe(const StateDir &dir, const std::string &name, uint32_t &version) {
    Upgraded out{.standby = name, .pair = name};
    PairRecord record(dir.path(name), Versions::known);
    version = record.state().abi_version;
    out.standby = record.state().standby_id.ifname;
    out.from = version == HL_ABI_VERSION ? record.state().former_abi : version;
    return out;
}

void refuse(Upgraded &out, const Error &error) {
    out.refused = error.what();
    out.error = error.code();
}

/// A takeover that a crash has interrupted: finished, or left because it cannot be ended now.
/// Nothing where it is undone, for then its pair is one of the version before like any other.
std::optional<Upgraded> end_takeover(const StateDir &dir, Rtnl &rtnl, const std::string &name,
                                     bool check_only) {
    Upgraded out{.standby = name, .pair = name};
    try {
        uint32_t version = 0;
        bool published = progress_of(dir, name) == Takeover::published;
        if (published) out = describe(dir, name, version);
        if (!check_only) out.remark = clear_takeover(dir, rtnl, name);
        if (!published) return std::nullopt;
    } catch (const Error &error) {
        refuse(out, error);
    }
    return out;
}

/// Nothing where there is nothing to do.
std::optional<Upgraded> upgrade_pair(StateDir &dir, Rtnl &rtnl, const std::string &name,
                                     bool check_only) {
    Upgraded out{.standby = name, .pair = name};
    try {
        uint32_t version = 0;
        out = describe(dir, name, version);
        if (version == HL_ABI_VERSION) return std::nullopt;
        if (check_only)
            check_takeover(dir, rtnl, name);
        else
            out.remark = take_over(dir, rtnl, name);
    } catch (const Error &error) {
        refuse(out, error);
    }
    return out;
}

} // namespace

std::vector<Upgraded> upgrade_pairs(StateDir &dir, Rtnl &rtnl, bool check_only) {
    std::vector<Upgraded> out;
    auto add = [&](std::optional<Upgraded> pair) {
        if (pair) out.push_back(std::move(*pair));
    };
    for (const std::string &name : own_takeovers(dir))
        add(end_takeover(dir, rtnl, name, check_only));
    if (!check_only) clear_stage(dir, rtnl);
    for (const std::string &name : own_pairs(dir))
        if (!std::ranges::count(out, name, &Upgraded::pair))
            add(upgrade_pair(dir, rtnl, name, check_only));
    return out;
}

std::vector<Upgraded> upgrade(bool check_only) {
    Rtnl rtnl;
    StateDir dir;
    if (!dir.mounted()) return {};
    StateDir::Lock lock = dir.lock();
    return upgrade_pairs(dir, rtnl, check_only);
}

} // namespace hitless
