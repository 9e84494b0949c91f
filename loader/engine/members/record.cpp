// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cstring>

namespace hitless {
namespace {

void copy_mac(__u8 (&to)[6], const Mac &from) {
    std::memcpy(to, from.bytes.data(), from.bytes.size());
}

} // namespace

void describe_nic(hl_identity &id, const Link &link) {
    copy_mac(id.mac, link.mac);
    copy_mac(id.perm_mac, link.perm_mac);
    id.ifindex = number(link.index);
    copy_text(id.bus, link.bus);
    copy_text(id.ifname, link.name);
}

hl_identity &id_of(hl_pair &state, hl_role role) {
    return role == HL_ROLE_PRIMARY ? state.primary_id : state.standby_id;
}

const hl_identity &id_of(const hl_pair &state, hl_role role) {
    return role == HL_ROLE_PRIMARY ? state.primary_id : state.standby_id;
}

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
    write_rule(state, selector, policy);
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
            .announce = static_cast<hl_announce>(state.announce),
            .carrier = static_cast<hl_carrier>(state.carrier)};
}

void write_rule(hl_pair &state, const Selector &selector, const Policy &policy) {
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
    state.carrier = static_cast<uint8_t>(policy.carrier);
}

hl_saved &saved_of(hl_pair &state, hl_role role) {
    return role == HL_ROLE_PRIMARY ? state.primary_saved : state.standby_saved;
}

} // namespace hitless
