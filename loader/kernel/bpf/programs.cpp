// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/programs.hpp"
#include "loader/core/error.hpp"

#include <bpf/libbpf.h>
#include <cerrno>

namespace hitless {

bpf_program *find_program(bpf_object *object, const HookRow &row, hl_liveness liveness) {
    const std::string name = program_name(row, liveness);
    bpf_program *program = bpf_object__find_program_by_name(object, name.c_str());
    if (!program) throw Error(ENOENT, "find the BPF program " + name);
    return program;
}

void select_nothing(bpf_object *object) {
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
}

void select_programs(bpf_object *object, const ModelRow &model, hl_liveness liveness) {
    for (const HookRow &row : model.hooks)
        if (row.slot != ProgramSlot::xdp)
            bpf_program__set_autoload(find_program(object, row, liveness), true);
}

void keep_programs(Objects &out, bpf_object *object, const ModelRow &model, hl_liveness liveness) {
    for (const HookRow &row : model.hooks)
        if (row.slot != ProgramSlot::xdp)
            slot_of(out, row.slot) =
                duplicate(bpf_program__fd(find_program(object, row, liveness)));
}

} // namespace hitless
