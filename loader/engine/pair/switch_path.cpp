// SPDX-License-Identifier: BSD-2-Clause
#include "loader/api.hpp"
#include "loader/engine/pair/registry.hpp"
#include "loader/kernel/netns/netns.hpp"

namespace hitless {

namespace {

void write_choice(Pair &pair, Target target) {
    auto when = static_cast<uint64_t>(now().count());
    switch (target) {
    case Target::standby: pair.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, when); break;
    case Target::automatic:
        pair.view().clear_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, when);
        break;
    case Target::primary:
        pair.view().clear_veto(HL_VETO_OVERRULED, HL_ACTOR_OPERATOR, when);
        pair.state().proof = HL_PROOF_ANSWER; // they vouch for it
        break;
    }
    pair.ring_bell();
}

} // namespace

void switch_path(const std::string &standby, Target target) {
    StateDir dir;
    Rtnl rtnl;
    const std::string path = dir.path(pair_of(dir, rtnl, standby));
    // A pair that was taken over meanwhile has another record.
    for (uint32_t written = 0, there = 1; written != there && there; there = pinned_id(path)) {
        Pair pair = Pair::open(path);
        write_choice(pair, target);
        written = pair.id();
    }
}

} // namespace hitless
