// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pairs.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members.hpp"
#include "loader/kernel/netns.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

/// Detaches in the order that keeps frames flowing: outward first, so that new frames take the
/// standby while the primary still delivers what is on its way.
void take_off(const std::string &dir, Rtnl &rtnl) {
    Pair pair = Pair::open(dir);
    if (pair.state().netns_cookie != netns_cookie()) return; // its NICs are out of reach from here
    pair.detach(HL_HOOK_EGRESS);
    release_primary(pair, rtnl);
    pair.detach(HL_HOOK_INGRESS_STANDBY);
}

/// Also what is incomplete or of another version: removing its pins frees its tcx links all the same.
void take_apart(const std::string &dir, Rtnl &rtnl) {
    try {
        take_off(dir, rtnl);
    } catch (const Error &error) {
        if (error.code() != ENOENT && error.code() != EPROTO) throw;
    }
    StateDir::remove(dir);
}

} // namespace

std::vector<std::string> own_pairs(const StateDir &dir) {
    std::string prefix = fmt::format("{}-", netns_cookie());
    std::vector<std::string> out = dir.pairs();
    std::erase_if(out, [&](const std::string &name) { return !name.starts_with(prefix); });
    return out;
}

std::string pair_of(const StateDir &dir, Rtnl &rtnl, const std::string &standby) {
    std::optional<Link> link = rtnl.link(standby);
    std::vector<std::string> pairs = own_pairs(dir);
    for (const std::string &name : pairs) {
        if (name == standby) return name;
        if (link && name == StateDir::pair_name(netns_cookie(), number(link->index))) return name;
    }
    throw Error(link ? ENOENT : ENODEV, fmt::format("find the pair of {}", standby),
                link ? "none is attached to it" : "there is no such interface",
                pairs.empty() ? fmt::format("`hitless attach {}` makes one", standby)
                              : "`hitless status` lists the pairs");
}

void clear_stage(StateDir &dir, Rtnl &rtnl) { take_apart(dir.stage(), rtnl); }

void dismantle(StateDir &dir, Rtnl &rtnl, const std::string &name) {
    clear_stage(dir, rtnl);
    take_apart(dir.withdraw(name), rtnl);
}

} // namespace hitless
