// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/former_abi.hpp"

namespace hitless {
namespace {

// ABI 6, frozen: where it had what we read. A field of ours that moves needs a conversion here.
#define HL_AS_IN_6(field, offset) static_assert(offsetof(hl_pair, field) == (offset))
static_assert(HL_ABI_FORMER == 6 && sizeof(hl_pair) == 3840);
HL_AS_IN_6(veto, 0);
HL_AS_IN_6(primary, 8);
HL_AS_IN_6(standby, 32);
HL_AS_IN_6(mac, 56);
HL_AS_IN_6(native, 62);
HL_AS_IN_6(wake, 63);
HL_AS_IN_6(magic, 64);
HL_AS_IN_6(abi_version, 68);
HL_AS_IN_6(model, 72);
HL_AS_IN_6(datapath, 73);
HL_AS_IN_6(liveness, 74);
HL_AS_IN_6(selector, 75);
HL_AS_IN_6(hold_down_ms, 76);
HL_AS_IN_6(up_delay_ms, 80);
HL_AS_IN_6(probe_interval_ms, 84);
HL_AS_IN_6(probe_rest_ms, 88);
HL_AS_IN_6(proof_timeout_ms, 92);
HL_AS_IN_6(reselect, 96);
HL_AS_IN_6(announce, 97);
HL_AS_IN_6(carrier, 98);
HL_AS_IN_6(proof, 99);
HL_AS_IN_6(netns_cookie, 104);
HL_AS_IN_6(attached_ns, 112);
HL_AS_IN_6(failover, 120);
HL_AS_IN_6(standby_id, 184);
HL_AS_IN_6(primary_id, 256);
HL_AS_IN_6(primary_saved, 328);
HL_AS_IN_6(standby_saved, 396);
HL_AS_IN_6(hook, 464);
HL_AS_IN_6(selector_arg, 520);
HL_AS_IN_6(travelled, 648);
HL_AS_IN_6(flips, 704);
HL_AS_IN_6(flip, 768);
HL_AS_IN_6(note, 3328);
#undef HL_AS_IN_6

} // namespace

static_assert(HL_VETO_BITS == 32); // former_veto

hl_pair from_former(const hl_pair &former, Instant when) {
    hl_pair ours = former;
    ours.abi_version = HL_ABI_VERSION;
    ours.taken_over_ns = static_cast<uint64_t>(when.count());
    ours.former_abi = former.abi_version;
    ours.former_veto = static_cast<uint32_t>(former.veto);
    return ours;
}

VetoChange change_of(uint64_t before, uint64_t after) {
    return {after & ~before, before & ~after};
}

} // namespace hitless
