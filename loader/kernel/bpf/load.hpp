// SPDX-License-Identifier: BSD-2-Clause
//
// Loads the programs of a pair from the BPF objects that are built into the library.
#pragma once

#include "loader/kernel/bpf/objects.hpp"
#include "maps/hitless_abi.h"

#include <optional>

namespace hitless {

struct LoadOptions {
    uint32_t master = 0; ///< ifindex in the caller's namespace
    uint32_t inner = 0;  ///< the failover device's inner end; 0: there is none
    hl_model model = HL_MODEL_TWO;
    hl_datapath datapath = HL_DATAPATH_TC;
    std::optional<hl_liveness> liveness; ///< none: the best that this kernel takes
    /// Of a pair that is taken over: its maps but the record serve the new programs as well, so a
    /// frame that one of the old ones has seen is known to the new ones. Knobs are as they were.
    const Objects *former = nullptr;
};

struct Loaded {
    Objects objects;
    hl_liveness liveness;
};

/// Throws where beside a pair that is open there are no descriptors for another. To be asked before
/// load_objects(): libbpf takes what it cannot open for something that the kernel lacks.
void check_room_beside(const Objects &pair);

/// Loads the programs, taking the first variant of liveness that the kernel accepts.
Loaded load_objects(const LoadOptions &);

} // namespace hitless
