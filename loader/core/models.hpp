// SPDX-License-Identifier: BSD-2-Clause
//
// One row for each device model and datapath: which devices it has, in which network namespaces,
// and which program runs on which hook. What attaches, detaches, converts and examines a pair reads
// the row (engine/pair, engine/inspect); a new model is a new row and at most one new program.
//
//   if (model_row(HL_MODEL_ONE).takes_name) ...
#pragma once

#include "maps/hitless_abi.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hitless {

/// The network namespaces of a pair: the one that the pair was made in, and its private one.
enum class PairNetns { guest, hidden };

/// The devices of a pair. Without a failover device the standby is the master.
enum class PairDevice { master, inner, standby, primary };

/// Where the loader keeps a tc program (kernel/bpf/objects.hpp); XDP programs are kept by their
/// hooks.
enum class ProgramSlot { egress, bounce, ingress_primary, ingress_standby, xdp };

/// A program on a hook of one of the devices.
struct HookRow {
    hl_hook_id hook;
    PairDevice device;
    PairNetns where; ///< the namespace of the device
    ProgramSlot slot;
    std::string_view
        program; ///< its name in bpf/ without "hl_" and without the variant of liveness
    bool has_variants = true; ///< there is one for each variant: hl_PROGRAM_cast and so on
    bool last =
        true; ///< it leads frames away from other people's programs, and so comes behind them

    /// Its program decides by which NIC a frame leaves; the others judge what comes in.
    bool chooses_path() const { return slot == ProgramSlot::egress || hook == HL_HOOK_XDP_INNER; }
};

struct ModelRow {
    hl_model model;
    hl_datapath datapath;
    std::string_view name;
    PairNetns nics;     ///< where standby and primary live
    PairNetns inner;    ///< where the failover device's other end lives, if there is one
    bool has_failover;  ///< a device of ours is the master, else the standby
    bool takes_name;    ///< and is called and numbered as the standby was
    bool may_be_netkit; ///< frames leave by way of the inner end: netkit spares them the backlog
    bool may_have_gate; ///< an XDP program on the standby drops second copies before taps see them
    std::span<const HookRow> hooks; ///< in the order in which they are attached

    /// Null where the model has no program on this hook.
    const HookRow *hook(hl_hook_id) const;
};

/// The row of a model and datapath; null when there is none. Either may come from a pair's pins.
const ModelRow *find_model(hl_model, hl_datapath);

/// The same; the first row for numbers of which there is none.
const ModelRow &model_row(hl_model, hl_datapath = HL_DATAPATH_TC);
/// The row of a pair.
inline const ModelRow &model_row(const hl_pair &pair) {
    return model_row(static_cast<hl_model>(pair.model), static_cast<hl_datapath>(pair.datapath));
}

/// What a program of a row is called in its BPF object: "hl_egress_cast".
std::string program_name(const HookRow &, hl_liveness);

/// "two", "three", "hidden", "one".
std::string_view model_name(hl_model);
/// Nothing for another word.
std::optional<hl_model> model_named(std::string_view);

} // namespace hitless
