// SPDX-License-Identifier: BSD-2-Clause
//
// What each device model is made of, as data; the executors (engine/pair/create.cpp,
// engine/pair/assembly.cpp) serve all of them.
//
//   if (layout_of(HL_MODEL_ONE).takes_name) ...
#pragma once

#include "maps/hitless_abi.h"

#include <optional>
#include <string_view>

namespace hitless {

/// The network namespaces of a pair: the one that the pair was made in, and its private one.
enum class PairNetns { guest, hidden };

struct Layout {
    hl_model model;
    PairNetns nics;     ///< where standby and primary live
    bool has_failover;  ///< a device of ours is the master, else the standby
    bool takes_name;    ///< and is called and numbered as the standby was
    bool bounces;       ///< frames for it come back in by its inner end (bpf/tc.bpf.c)
    bool may_be_netkit; ///< frames leave by way of the inner end: netkit spares them the backlog
};

/// Of a value that came from this program or its pins: one of the four.
const Layout &layout_of(hl_model);

/// "two", "three", "hidden", "one"; nothing for another word.
std::optional<hl_model> model_named(std::string_view);

} // namespace hitless
