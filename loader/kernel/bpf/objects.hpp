// SPDX-License-Identifier: BSD-2-Clause
//
// The maps and programs of one pair as file descriptors: freshly loaded (load.hpp) or found again
// in a directory of pins. Both come out the same.
#pragma once

#include "loader/core/models.hpp"
#include "loader/kernel/fd.hpp"
#include "maps/hitless_abi.h"

#include <string>

struct bpf_map;

namespace hitless {

struct Objects {
    Fd pair, nics, counters, bell, twins, knobs; // maps
    Fd ports;                                    // of a failover device; empty without one
    Fd egress, ingress_primary, ingress_standby; // on the NICs
    Fd bounce;                                   // on an inner end, in the model three by tc
    Fd resolve, ring;                            // run by us
};

/// Where a tc program is kept.
Fd &slot_of(Objects &, ProgramSlot);
const Fd &slot_of(const Objects &, ProgramSlot);

/// Another descriptor of the same object. Throws EMFILE.
Fd duplicate(int fd);

/// Has the programs of an object that is not loaded yet work on this map instead of one of their
/// own. Throws EPROTO for a map of another shape, which another version has made.
void share_map(bpf_map *, const Fd &);

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
