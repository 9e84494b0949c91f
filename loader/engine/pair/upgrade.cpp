// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/engine/pair/takeover.hpp"

#include <algorithm>
#include <fmt/format.h>
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

void replace_all(std::string &text, const std::string &what, std::string_view by) {
    for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += by.size())
        text.replace(at, what.size(), by);
}

/// The name that the user gave it: a pair whose record cannot be read has the number in its own
/// name, and it stands beside the pair in the guest's namespace or is hidden.
std::string shown_standby(const StateDir &dir, Rtnl &rtnl, const std::string &name) {
    const std::string known = standby_of(dir, name);
    if (known != name) return known;
    for (const Link &link : rtnl.links())
        if (pair_name(link.index) == name) return link.name;
    return name;
}

/// Errors name pins by their paths, in which a pair is called by two numbers.
void refuse(Upgraded &out, const StateDir &dir, Rtnl &rtnl, const Error &error) {
    out.standby = shown_standby(dir, rtnl, out.pair);
    out.refused = error.what();
    out.error = error.code();
    for (const auto &[where, shown] :
         {std::pair(dir.upgrade_of(out.pair), "new pin"), std::pair(dir.path(out.pair), "pin")}) {
        replace_all(out.refused, where + "/", fmt::format("its {} ", shown));
        replace_all(out.refused, where, fmt::format("its {}s", shown));
    }
    replace_all(out.refused, "detach " + out.pair, "detach " + shell_quoted(out.standby));
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
        out.remark = check_only
                         ? describe_takeover(dir, rtnl, name) + "; `hitless upgrade` ends that"
                         : clear_takeover(dir, rtnl, name);
        if (!published) return std::nullopt;
    } catch (const Error &error) {
        refuse(out, dir, rtnl, error);
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
            out.remark = check_takeover(dir, rtnl, name);
        else
            out.remark = take_over(dir, rtnl, name);
    } catch (const Error &error) {
        refuse(out, dir, rtnl, error);
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
