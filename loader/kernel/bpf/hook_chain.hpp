// SPDX-License-Identifier: BSD-2-Clause
//
// Other people's programs at a traffic control hook of ours, and our place among them
// (docs/adr/0003). A program that does not pass a frame on to the next one ends the chain: who
// stands behind it does not see that frame.
#pragma once

#include "loader/kernel/bpf/hook.hpp"

#include <string>
#include <vector>

namespace hitless {

struct OtherProgram {
    uint32_t id;      ///< 0: a filter that is no BPF program
    std::string name; ///< empty where the kernel does not say (it takes CAP_SYS_ADMIN)
    std::string kind; ///< "tcx program", "clsact filter", "XDP program"
    std::string text() const;
};

/// How a program is called, and what programs of the same instructions have in common; empty where
/// the kernel does not say.
struct ProgramIdentity {
    std::string name, tag;
};
ProgramIdentity program_identity(uint32_t id);

/// Those that see a frame before ours does.
std::vector<OtherProgram> programs_ahead(const hl_hook &, Direction, int program_fd);

/// Whether it is ours, by its name.
bool is_of_a_pair(const OtherProgram &);

/// All of a device, of a hook where none is ours.
std::vector<OtherProgram> programs_at(uint32_t ifindex, Direction);

/// Whether ours runs by a link of tcx or netkit, wherever that is pinned.
bool runs_at(const hl_hook &, Direction, int program_fd);
/// That link, which the kernel gives to CAP_SYS_ADMIN alone; empty where ours does not run.
Fd link_of(const hl_hook &, Direction, int program_fd);

/// True when other people's tcx programs stand behind ours and so never see what we redirect.
bool stands_before_others(const hl_hook &, Direction, int program_fd);

/// Moves ours behind them without a moment in which frames do not come by ours.
void move_behind(const HookPoint &, int program_fd, const std::string &pin);

} // namespace hitless
