// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/failover.hpp"
#include "loader/engine/sync.hpp"
#include "loader/kernel/netns.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace hitless {
namespace {

template <size_t N>
void copy_text(char (&to)[N], const std::string &from) {
    std::memset(to, 0, N);
    std::memcpy(to, from.data(), std::min(from.size(), N - 1));
}

void copy_mac(__u8 (&to)[6], const Mac &from) {
    std::memcpy(to, from.bytes.data(), from.bytes.size());
}

void describe_nic(hl_identity &id, const Link &link) {
    copy_mac(id.mac, link.mac);
    copy_mac(id.perm_mac, link.perm_mac);
    id.ifindex = number(link.index);
    copy_text(id.bus, link.bus);
    copy_text(id.ifname, link.name);
}

} // namespace

Ifindex master_of(const hl_pair &state) {
    return Ifindex{state.failover.outer ? state.failover.outer : state.standby_id.ifindex};
}

Mac mac_of(const __u8 (&bytes)[6]) {
    Mac mac;
    std::memcpy(mac.bytes.data(), bytes, mac.bytes.size());
    return mac;
}

void describe_pair(Pair &pair, const Link &standby, const Selector &selector,
                   const Policy &policy) {
    hl_pair &state = pair.state();
    state.veto = HL_VETO(ABSENT);
    state.note[HL_VETO_BIT_ABSENT] = {static_cast<uint64_t>(now().count()), HL_ACTOR_OPERATOR, 0};
    state.model = HL_MODEL_TWO;
    state.datapath = HL_DATAPATH_TC;
    adopt_rule(state, selector, policy);
    state.netns_cookie = netns_cookie();
    state.attached_ns = static_cast<uint64_t>(now().count());
    copy_mac(state.mac, standby.mac);
    describe_nic(state.standby_id, standby);
}

Selector selector_of(const hl_pair &state) {
    return {static_cast<hl_selector_kind>(state.selector), state.selector_arg};
}

Policy policy_of(const hl_pair &state) {
    using std::chrono::milliseconds;
    return {.hold_down = milliseconds(state.hold_down_ms),
            .probing = {.up_delay = milliseconds(state.up_delay_ms),
                        .interval = milliseconds(state.probe_interval_ms),
                        .rest = milliseconds(state.probe_rest_ms),
                        .timeout = milliseconds(state.proof_timeout_ms)},
            .reselect = static_cast<hl_reselect>(state.reselect),
            .announce = static_cast<hl_announce>(state.announce)};
}

void adopt_rule(hl_pair &state, const Selector &selector, const Policy &policy) {
    state.selector = static_cast<uint8_t>(selector.kind);
    copy_text(state.selector_arg, selector.arg);
    auto number_of = [](std::chrono::milliseconds ms) { return static_cast<uint32_t>(ms.count()); };
    state.hold_down_ms = number_of(policy.hold_down);
    state.up_delay_ms = number_of(policy.probing.up_delay);
    state.probe_interval_ms = number_of(policy.probing.interval);
    state.probe_rest_ms = number_of(policy.probing.rest);
    state.proof_timeout_ms = number_of(policy.probing.timeout);
    state.reselect = static_cast<uint8_t>(policy.reselect);
    state.announce = static_cast<uint8_t>(policy.announce);
}

void install_primary(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    hl_pair &state = pair.state();
    describe_nic(state.primary_id, primary);
    save_settings(pair, primary);
    // Ours first: once the device is up, its frames belong to the master.
    pair.resolve(HL_ROLE_PRIMARY, primary.index);
    pair.attach(HL_HOOK_INGRESS_PRIMARY, primary.index, primary.name);
    prepare_primary(pair, rtnl, standby, primary);
}

void retake_primary(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    pair.resolve(HL_ROLE_PRIMARY, primary.index);
    if (!pair.attached(HL_HOOK_INGRESS_PRIMARY))
        pair.attach(HL_HOOK_INGRESS_PRIMARY, primary.index, primary.name);
    prepare_primary(pair, rtnl, standby, primary);
}

void release_primary(Pair &pair, Rtnl &rtnl) {
    hl_pair &state = pair.state();
    pair.resolve(HL_ROLE_PRIMARY, Ifindex::none);
    std::optional<Link> primary = find(rtnl, state.primary_id);
    state.primary_id.ifindex = 0;
    if (primary) give_settings_back(pair, rtnl, *primary);
    state.primary_saved = {};
    decelerate(pair, HL_ROLE_PRIMARY);
    pair.detach(HL_HOOK_INGRESS_PRIMARY);
}

void take_off(Pair &pair, Rtnl &rtnl) {
    pair.detach(HL_HOOK_EGRESS);
    release_primary(pair, rtnl);
    decelerate(pair, HL_ROLE_STANDBY);
    pair.detach(HL_HOOK_INGRESS_STANDBY);
    part_failover(pair, rtnl);
}

std::optional<Link> find(Rtnl &rtnl, const hl_identity &id) {
    if (!id.ifindex) return std::nullopt;
    std::optional<Link> link = rtnl.link(Ifindex{id.ifindex});
    // An ifindex may be given to another device; bus path and permanent address may not.
    if (link && (link->bus != id.bus || link->perm_mac != mac_of(id.perm_mac))) return std::nullopt;
    return link;
}

std::optional<Instant> settle(Pair &pair, Rtnl &rtnl, Vigil &vigil, hl_actor actor) {
    hl_pair &state = pair.state();
    std::optional<Link> standby = find(rtnl, state.standby_id);
    std::optional<Link> primary = find(rtnl, state.primary_id);
    Observation seen;
    seen.present = primary.has_value();
    if (primary && standby) {
        seen.usable = primary->usable();
        seen.configured = state.primary_saved.valid;
        seen.mtu_fits = primary->mtu >= standby->mtu;
        seen.mac_matches = primary->mac == standby->mac;
        copy_text(state.primary_id.ifname, primary->name);
        copy_text(state.standby_id.ifname, standby->name);
        vigil.observe(pair, rtnl, *standby, *primary, seen);
    } else {
        vigil.rest();
    }
    seen.veto = pair.view().veto();
    Verdict verdict = decide(policy_of(state), vigil.trust, seen, now());
    auto when = static_cast<uint64_t>(now().count());
    if (verdict.set) pair.view().set_veto(verdict.set, actor, when);
    if (verdict.clear) pair.view().clear_veto(verdict.clear, actor, when);
    if (verdict.set || verdict.clear) pair.ring_bell();
    return verdict.again;
}

} // namespace hitless
