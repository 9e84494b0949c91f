// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/path/apply_policy.hpp"
#include "loader/core/pairing.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netns/netns.hpp"

namespace hitless {

std::optional<Instant> apply_policy(Pair &pair, PairNamespaces &namespaces,
                                    PathMonitor &path_monitor, HostLink *host, hl_actor actor) {
    hl_pair &state = pair.state();
    Members members = read_members(namespaces, pair);
    Observation seen;
    seen.present = members.primary.has_value();
    if (members.primary && members.standby && members.master) {
        const Link &primary = *members.primary, &master = *members.master;
        seen.usable = primary.usable();
        seen.configured = state.primary_saved.valid;
        seen.mtu_fits = primary.mtu >= master.mtu;
        seen.mac_matches =
            primary.mac == master.mac ||
            (host && host->knows_address(pair) && may_be_placeholder(selector_of(state), primary));
        copy_text(state.primary_id.ifname, primary.name);
        copy_text(state.standby_id.ifname, members.standby->name);
        path_monitor.observe(pair, namespaces, members, seen);
    } else {
        path_monitor.stop();
    }
    if (host) host->observe(pair, members);
    if (host && host->doubts_primary() && seen.path == PathVerdict::proved)
        seen.path = PathVerdict::unproven;
    seen.veto = pair.view().veto();
    Verdict verdict = decide(policy_of(state), path_monitor.trust, seen, now());
    auto when = static_cast<uint64_t>(now().count());
    if (verdict.set) pair.view().set_veto(verdict.set, actor, when);
    if (verdict.clear) pair.view().clear_veto(verdict.clear, actor, when);
    if (verdict.set || verdict.clear) pair.ring_bell();
    return verdict.again;
}

} // namespace hitless
