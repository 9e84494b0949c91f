// SPDX-License-Identifier: BSD-2-Clause
//
// The tc programs that a row of the table of models names, in whichever of our BPF objects has
// them.
#pragma once

#include "loader/core/models.hpp"
#include "loader/kernel/bpf/objects.hpp"

struct bpf_object;
struct bpf_program;

namespace hitless {

/// The program of a row. Throws ENOENT when the object lacks it, which is an error of ours.
bpf_program *find_program(bpf_object *, const HookRow &, hl_liveness);

/// Of an object that is open: nothing of it will be loaded but what is selected afterwards.
void select_nothing(bpf_object *);
/// The row's tc programs will be loaded.
void select_programs(bpf_object *, const ModelRow &, hl_liveness);

/// Of an object that is loaded: keeps the row's tc programs.
void keep_programs(Objects &, bpf_object *, const ModelRow &, hl_liveness);

} // namespace hitless
