// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "maps/hitless_abi.h"
#include "testbed/nic.hpp"

namespace hitless::cli::demo {

/// What the user asked for.
struct Spec {
    testbed::NicKind nic = testbed::NicKind::veth;
    hl_model model = HL_MODEL_TWO;
    hl_datapath datapath = HL_DATAPATH_TC;
    unsigned rate = 20'000; ///< frames a second, each way
    unsigned flips = 1'000; ///< of the planned switch, or of the gives and takes
    bool host = false;      ///< the story of a hypervisor and its guest
};

} // namespace hitless::cli::demo
