// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel objects of one pair as file descriptors: freshly loaded from the BPF object that is
// built into the library, or found again in a directory of pins. Both come out the same.
#pragma once

#include "loader/kernel/fd.hpp"
#include "maps/hitless_abi.h"

#include <optional>
#include <string>

namespace hitless {

struct Objects {
    Fd pair, nics, counters, bell, twins, knobs; // maps
    Fd ports;                                    // of a failover device; empty without one
    Fd egress, ingress_primary, ingress_standby; // on the NICs
    Fd bounce;                                   // on an inner end, in the model three by tc
    Fd resolve, ring;                            // run by us
};

struct LoadOptions {
    uint32_t master = 0; ///< ifindex in the caller's namespace
    uint32_t inner = 0;  ///< the failover device's inner end; 0: there is none
    hl_model model = HL_MODEL_TWO;
    hl_datapath datapath = HL_DATAPATH_TC;
    std::optional<hl_liveness> liveness; ///< none: the best that this kernel takes
};

struct Loaded {
    Objects objects;
    hl_liveness liveness;
};

Fd duplicate(int fd);

/// Loads the programs, taking the first rung of liveness that the kernel accepts.
Loaded load_objects(const LoadOptions &);

/// Has a program keep the maps that it reads without the kernel's knowing: by the addresses of
/// their slots (bpf/lib/alive.h). Otherwise they would be freed under a program that outlives its
/// pins.
void hold_maps(int program_fd, const Fd &nics);

/// Takes the objects from their pins; nothing when `dir` is not there.
Objects open_objects(const std::string &dir);

/// The same, of as many as are there.
Objects open_remaining_objects(const std::string &dir);

/// One of them: "pair", say. Throws as it does.
Fd open_pin(const std::string &dir, const char *name);

/// Pins every object below `dir`, which must be on a bpffs.
void pin_objects(const Objects &, const std::string &dir);

} // namespace hitless
