// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/hook_chain.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/tcx.hpp"

#include <algorithm>
#include <array>
#include <bpf/bpf.h>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless {
namespace {

bpf_prog_info info_of(int program_fd) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &size)) return {};
    return info;
}

uint32_t attach_type(Direction direction) {
    return direction == Direction::ingress ? tcx::attach_ingress : tcx::attach_egress;
}

uint32_t attach_type(const hl_hook &hook, Direction direction) {
    return hook.kind == HL_HOOK_NETKIT ? tcx::attach_netkit_peer : attach_type(direction);
}

struct Attached {
    std::vector<uint32_t> programs, links; ///< in the order in which they run
};

Attached attached_at(uint32_t ifindex, uint32_t attach_type) {
    Attached out{std::vector<uint32_t>(tcx::most_programs),
                 std::vector<uint32_t>(tcx::most_programs)};
    tcx::Query query{};
    query.target_ifindex = ifindex;
    query.attach_type = attach_type;
    query.program_ids = reinterpret_cast<uint64_t>(out.programs.data());
    query.link_ids = reinterpret_cast<uint64_t>(out.links.data());
    query.count = static_cast<uint32_t>(out.programs.size());
    if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)) < 0) query.count = 0;
    out.programs.resize(std::min<size_t>(query.count, out.programs.size()));
    out.links.resize(out.programs.size());
    return out;
}

std::vector<uint32_t> tcx_programs(uint32_t ifindex, Direction direction) {
    return attached_at(ifindex, attach_type(direction)).programs;
}

/// Runs `program_fd` as its own: the kernel takes one program twice on no hook.
class StandIn {
  public:
    explicit StandIn(int program_fd)
        : map_(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "hl_stand_in", sizeof(uint32_t),
                              sizeof(uint32_t), 1, nullptr)) {
        uint32_t zero = 0;
        if (!map_ || bpf_map_update_elem(map_.get(), &zero, &program_fd, BPF_ANY) < 0)
            throw Error(errno, "make a stand-in for a program");
        const bpf_insn code[] = {
            {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, map_.get()},
            {0, 0, 0, 0, 0},
            {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0},
            {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call},
            {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -1}, // TCX_NEXT
            {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        };
        program_ = Fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "hl_stand_in", "Dual BSD/GPL", code,
                                    std::size(code), nullptr));
        if (!program_) throw Error(errno, "load a stand-in for a program");
    }
    int fd() const { return program_.get(); }

  private:
    Fd map_; // the kernel empties it when nobody holds it any more
    Fd program_;
};

} // namespace

std::string OtherProgram::text() const {
    if (!id) return kind;
    return name.empty() ? fmt::format("{} {}", kind, id)
                        : fmt::format("{} {} ({})", kind, id, name);
}

ProgramIdentity program_identity(uint32_t id) {
    Fd program(bpf_prog_get_fd_by_id(id));
    if (!program) return {};
    bpf_prog_info info = info_of(program.get());
    return {info.name, std::string(std::begin(info.tag), std::end(info.tag))};
}

std::vector<OtherProgram> programs_ahead(const hl_hook &hook, Direction direction, int program_fd) {
    std::vector<OtherProgram> out;
    uint32_t own = info_of(program_fd).id;
    if (hook.kind != HL_HOOK_TCX && hook.kind != HL_HOOK_CLSACT) return out;
    for (uint32_t id : tcx_programs(hook.ifindex, direction)) {
        if (id == own) break;
        out.push_back({id, program_identity(id).name, "tcx program"});
    }
    // Inward ours has the first priority.
    if (hook.kind == HL_HOOK_CLSACT && direction == Direction::egress &&
        has_other_filters(hook.ifindex, direction))
        out.push_back({0, "", "clsact filter"});
    return out;
}

bool is_of_a_pair(const OtherProgram &program) {
    return program.name.starts_with("hl_ingress") || program.name.starts_with("hl_egress");
}

std::vector<OtherProgram> programs_at(uint32_t ifindex, Direction direction) {
    std::vector<OtherProgram> out;
    for (uint32_t id : tcx_programs(ifindex, direction))
        out.push_back({id, program_identity(id).name, "tcx program"});
    if (has_other_filters(ifindex, direction)) out.push_back({0, "", "clsact filter"});
    return out;
}

bool runs_at(const hl_hook &hook, Direction direction, int program_fd) {
    uint32_t own = info_of(program_fd).id;
    const Attached there = attached_at(hook.ifindex, attach_type(hook, direction));
    return own && std::ranges::count(there.programs, own);
}

Fd link_of(const hl_hook &hook, Direction direction, int program_fd) {
    const Attached there = attached_at(hook.ifindex, attach_type(hook, direction));
    auto at = std::ranges::find(there.programs, info_of(program_fd).id);
    if (at == there.programs.end()) return Fd();
    Fd link(bpf_link_get_fd_by_id(there.links[static_cast<size_t>(at - there.programs.begin())]));
    if (!link)
        throw Error(errno, fmt::format("open the link of our program on device {}", hook.ifindex));
    return link;
}

bool stands_before_others(const hl_hook &hook, Direction direction, int program_fd) {
    if (hook.kind != HL_HOOK_TCX) return false;
    std::vector<uint32_t> ids = tcx_programs(hook.ifindex, direction);
    return !ids.empty() && ids.back() != info_of(program_fd).id;
}

void move_behind(const HookPoint &at, int program_fd, const std::string &pin) {
    std::string action = fmt::format("move our program on {} behind others", at.shown);
    std::string next = pin + "_next";
    StandIn stand_in(program_fd);
    Fd present(bpf_obj_get(pin.c_str()));
    if (!present) throw Error(errno, fmt::format("open {}", pin));
    attach_hook(at, stand_in.fd(), next);
    Fd moved(bpf_obj_get(next.c_str()));
    int error = 0;
    if (!moved || bpf_link_detach(present.get()) ||
        bpf_link_update(moved.get(), program_fd, nullptr) || rename(next.c_str(), pin.c_str()) < 0)
        error = errno;
    if (!error) return;
    unlink(next.c_str());
    throw Error(error, action);
}

} // namespace hitless
