// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/models.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

using enum PairDevice;
constexpr PairNetns guest = PairNetns::guest, hidden = PairNetns::hidden;
constexpr bool variants = true, one = false;  // HookRow::has_variants
constexpr bool last = true, anywhere = false; // HookRow::last

/// Nothing flows before the last hook: frames that come in are the standby's own until then.
constexpr HookRow two[] = {
    {HL_HOOK_INGRESS_STANDBY, standby, guest, ProgramSlot::ingress_standby, "ingress_standby", one,
     anywhere}, // the standby keeps what ours passes on, so nobody must see a frame twice
    {HL_HOOK_INGRESS_PRIMARY, primary, guest, ProgramSlot::ingress_primary, "ingress_primary",
     variants, last},
    {HL_HOOK_EGRESS, master, guest, ProgramSlot::egress, "egress", variants, last},
    {HL_HOOK_XDP_STANDBY, standby, guest, ProgramSlot::xdp, "gate", one, anywhere}, // if asked for
};

/// redirect_peer must leave the NICs' namespace: it leads to the inner end, alone in another, and
/// from there back in.
constexpr HookRow three[] = {
    {HL_HOOK_INNER, inner, hidden, ProgramSlot::bounce, "bounce", one, anywhere},
    {HL_HOOK_EGRESS, master, guest, ProgramSlot::egress, "outward", variants, last},
    {HL_HOOK_INGRESS_STANDBY, standby, guest, ProgramSlot::ingress_standby, "enter_standby",
     variants, last},
    {HL_HOOK_INGRESS_PRIMARY, primary, guest, ProgramSlot::ingress_primary, "enter_primary",
     variants, last},
};

/// Frames leave at the inner end, which nobody else has.
constexpr HookRow private_nics[] = {
    {HL_HOOK_INNER, inner, hidden, ProgramSlot::egress, "outward", variants, anywhere},
    {HL_HOOK_INGRESS_STANDBY, standby, hidden, ProgramSlot::ingress_standby, "enter_standby",
     variants, last},
    {HL_HOOK_INGRESS_PRIMARY, primary, hidden, ProgramSlot::ingress_primary, "enter_primary",
     variants, last},
};

/// tc carries every frame; XDP in front of it takes what it can. The device's own ends come last,
/// when both NICs are ready for what it sends.
constexpr HookRow forwarding[] = {
    {HL_HOOK_INGRESS_STANDBY, standby, guest, ProgramSlot::ingress_standby, "inward_standby",
     variants, last},
    {HL_HOOK_INGRESS_PRIMARY, primary, guest, ProgramSlot::ingress_primary, "inward_primary",
     variants, last},
    {HL_HOOK_XDP_PRIMARY, primary, guest, ProgramSlot::xdp, "xdp_inward_primary", variants, last},
    {HL_HOOK_XDP_STANDBY, standby, guest, ProgramSlot::xdp, "xdp_inward_standby", variants, last},
    {HL_HOOK_EGRESS, master, guest, ProgramSlot::egress, "outward", variants, last},
    {HL_HOOK_INNER, inner, guest, ProgramSlot::egress, "outward", variants, anywhere},
    {HL_HOOK_XDP_INNER, inner, guest, ProgramSlot::xdp, "xdp_outward", variants, last},
};

constexpr ModelRow rows[] = {
    // model, datapath, name, NICs, inner end, has_failover, takes_name, may_be_netkit,
    // may_have_gate
    {HL_MODEL_TWO, HL_DATAPATH_TC, "two", guest, guest, false, false, false, true, two},
    {HL_MODEL_THREE, HL_DATAPATH_TC, "three", guest, hidden, true, false, false, false, three},
    {HL_MODEL_HIDDEN, HL_DATAPATH_TC, "hidden", hidden, hidden, true, false, true, false,
     private_nics},
    {HL_MODEL_ONE, HL_DATAPATH_TC, "one", hidden, hidden, true, true, true, false, private_nics},
    {HL_MODEL_THREE, HL_DATAPATH_XDP, "three", guest, guest, true, false, false, false, forwarding},
};

} // namespace

const HookRow *ModelRow::hook(hl_hook_id id) const {
    auto at = std::ranges::find(hooks, id, &HookRow::hook);
    return at == hooks.end() ? nullptr : &*at;
}

const ModelRow *find_model(hl_model model, hl_datapath datapath) {
    const auto *at = std::ranges::find_if(
        rows, [&](const ModelRow &row) { return row.model == model && row.datapath == datapath; });
    return at == std::end(rows) ? nullptr : at;
}

const ModelRow &model_row(hl_model model, hl_datapath datapath) {
    const ModelRow *row = find_model(model, datapath);
    return row ? *row : rows[0];
}

std::string program_name(const HookRow &row, hl_liveness liveness) {
    constexpr const char *variants[] = {"_cast", "_probe_read", "_netlink"};
    return fmt::format("hl_{}{}", row.program, row.has_variants ? variants[liveness] : "");
}

std::string_view model_name(hl_model model) {
    return model_row(model).name;
}

std::optional<hl_model> model_named(std::string_view name) {
    const auto *at = std::ranges::find(rows, name, &ModelRow::name);
    return at == std::end(rows) ? std::nullopt : std::optional(at->model);
}

} // namespace hitless
