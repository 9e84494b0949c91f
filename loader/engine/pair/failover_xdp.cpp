// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/failover_xdp.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/kernel/netlink/devices.hpp"
#include "loader/kernel/nic/offload.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

hl_hook_id xdp_place(hl_role role) {
    return role == HL_ROLE_PRIMARY ? HL_HOOK_XDP_PRIMARY : HL_HOOK_XDP_STANDBY;
}

uint8_t bit(hl_role role) {
    return static_cast<uint8_t>(1u << role);
}

} // namespace

void check_native(const Link &nic, bool checksums_complete) {
    NicAbilities able = abilities(nic);
    for (const auto &refusal :
         {why_no_native_receive(able, checksums_complete), why_no_native_send(able)})
        if (refusal && !refusal->remedy.empty())
            throw Error(EOPNOTSUPP, fmt::format("carry the frames of {} by XDP", nic.name),
                        refusal->why, refusal->remedy + "; or --datapath tc");
}

void check_gate(const Link &standby) {
    if (auto refusal = why_no_gate(abilities(standby)))
        throw Error(EOPNOTSUPP, fmt::format("put the gate on {}", standby.name), refusal->why,
                    refusal->remedy.empty() ? "attach without --gate; only taps see twins then"
                                            : refusal->remedy);
}

void attach_failover_device(Pair &pair, Rtnl &rtnl) {
    const hl_failover &ends = pair.state().failover;
    Link outer = must_find(rtnl, Ifindex{ends.outer}), inner = must_find(rtnl, Ifindex{ends.inner});
    pair.attach(HL_HOOK_EGRESS, outer);
    pair.attach(HL_HOOK_INNER, inner);
    pair.attach(HL_HOOK_XDP_INNER, inner);
    rtnl.change(inner.index, inner.name, {.up = true});
    rtnl.change(outer.index, outer.name, {.up = true});
}

void detach_failover_device(Pair &pair, Rtnl &rtnl) {
    const hl_failover ends = pair.state().failover;
    if (!ends.outer) return;
    pair.detach(HL_HOOK_XDP_INNER);
    pair.detach(HL_HOOK_INNER);
    remove_device(rtnl, Ifindex{ends.outer});
}

void attach_nic_xdp(Pair &pair, hl_role role, const Link &nic) {
    hl_pair &state = pair.state();
    if (state.datapath != HL_DATAPATH_XDP) return;
    NicAbilities able = abilities(nic);
    if (why_no_native_receive(able, state.failover.checksums_complete)) return;
    try {
        pair.attach(xdp_place(role), nic);
    } catch (const Error &error) {
        if (error.code() != EOPNOTSUPP) throw;
        return; // kernels that cannot tell beforehand: tc goes on
    }
    // Some drivers send only once a program is there, so they are asked again.
    if (!why_no_native_send(abilities(nic))) state.native |= bit(role);
}

void detach_nic_xdp(Pair &pair, hl_role role) {
    pair.state().native &= static_cast<uint8_t>(~bit(role));
    pair.detach(xdp_place(role));
}

std::optional<Refusal> why_not_native(const Pair &pair, hl_role role, const Link &nic) {
    const hl_pair &state = pair.state();
    hl_hook_id place = xdp_place(role);
    NicAbilities able = abilities(nic);
    if (auto refusal = why_no_native_receive(able, state.failover.checksums_complete))
        return refusal;
    if (state.hook[place].kind == HL_HOOK_NONE)
        return Refusal{"its driver refused the XDP program", ""};
    if (!pair.attached(place)) return Refusal{"somebody took our XDP program off", ""};
    return why_no_native_send(able);
}

} // namespace hitless
