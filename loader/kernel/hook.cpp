// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/hook.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/rtnl.hpp"
#include "loader/kernel/tcx.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <linux/pkt_sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless {
namespace {

// Ours alone: a handle names a filter together with its priority. Inward first, outward last.
constexpr uint32_t clsact_handle = 0x484c;
constexpr uint32_t clsact_first = 1;
constexpr uint32_t clsact_last = 0xffff;
constexpr uint32_t any_program = ~0u; // no program's id

int tcx_attach(const HookPoint &at, int program_fd) {
    bool in = at.direction == Direction::ingress;
    tcx::LinkCreate create{};
    create.prog_fd = static_cast<uint32_t>(program_fd);
    create.target_ifindex = at.ifindex;
    create.attach_type = at.netkit ? tcx::attach_netkit_peer
                         : in      ? tcx::attach_ingress
                                   : tcx::attach_egress;
    create.flags = at.last ? tcx::flag_after : tcx::flag_before;
    long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof(create));
    return fd < 0 ? -errno : static_cast<int>(fd);
}

bpf_tc_hook clsact_hook(uint32_t ifindex, Direction direction) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(ifindex);
    hook.attach_point = direction == Direction::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts clsact_opts(Direction direction) {
    bpf_tc_opts opts{};
    opts.sz = sizeof(opts);
    opts.handle = clsact_handle;
    opts.priority = direction == Direction::ingress ? clsact_first : clsact_last;
    return opts;
}

uint32_t clsact_parent(Direction direction) {
    return TC_H_MAKE(TC_H_CLSACT,
                     direction == Direction::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

void clsact_destroy_if_unused(uint32_t ifindex) {
    Rtnl rtnl;
    for (Direction d : {Direction::ingress, Direction::egress})
        if (rtnl.count_filters(Ifindex{ifindex}, clsact_parent(d), any_program)) return;
    bpf_tc_hook hook = clsact_hook(ifindex, Direction::ingress);
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    bpf_tc_hook_destroy(&hook);
}

std::string describe(const HookPoint &at, std::string_view how) {
    return fmt::format("attach the {} {} program to {}", how,
                       at.direction == Direction::ingress ? "ingress" : "egress", at.shown);
}

hl_hook clsact_attach(const HookPoint &at, int program_fd) {
    bpf_tc_hook hook = clsact_hook(at.ifindex, at.direction);
    int error = bpf_tc_hook_create(&hook);
    if (error && error != -EEXIST)
        throw Error(-error, describe(at, "clsact"),
                    error == -EPERM
                        ? "run as root"
                        : "the kernel needs CONFIG_NET_SCH_INGRESS (modprobe sch_ingress)");
    hl_hook record{at.ifindex, HL_HOOK_CLSACT, static_cast<uint8_t>(error == 0), {}};
    bpf_tc_opts opts = clsact_opts(at.direction);
    opts.prog_fd = program_fd;
    error = bpf_tc_attach(&hook, &opts);
    if (!error) return record;
    if (record.made_qdisc) clsact_destroy_if_unused(at.ifindex);
    throw Error(-error, describe(at, "clsact"),
                "the kernel needs CONFIG_NET_CLS_BPF (modprobe cls_bpf)");
}

uint32_t program_id(int program_fd) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(program_fd, &info, &size) ? 0 : info.id;
}

} // namespace

hl_hook attach_hook(const HookPoint &at, int program_fd, const std::string &pin) {
    bool yield_to_filters = at.direction == Direction::egress &&
                            has_foreign_filters(at.ifindex, at.direction, program_fd);
    int fd = yield_to_filters ? -EINVAL : tcx_attach(at, program_fd);
    // EINVAL: a kernel before 6.6 does not know the attach type.
    if (fd == -EINVAL && !at.netkit) return clsact_attach(at, program_fd);
    if (fd < 0)
        throw Error(-fd, describe(at, at.netkit ? "netkit" : "tcx"),
                    fd == -EPERM ? "run as root" : "");
    Fd link(fd);
    if (bpf_obj_pin(link.get(), pin.c_str()) < 0) throw Error(errno, fmt::format("pin {}", pin));
    return {at.ifindex, static_cast<uint8_t>(at.netkit ? HL_HOOK_NETKIT : HL_HOOK_TCX), 0, {}};
}

void detach_hook(const hl_hook &hook, Direction direction, const std::string &pin) {
    // The pin is a tcx link's only owner; a link of a device that is gone is freed all the same.
    if (unlink(pin.c_str()) < 0 && errno != ENOENT)
        throw Error(errno, fmt::format("unpin {}", pin));
    if (hook.kind != HL_HOOK_CLSACT) return;
    bpf_tc_hook at = clsact_hook(hook.ifindex, direction);
    bpf_tc_opts opts = clsact_opts(direction);
    bpf_tc_detach(&at, &opts);
    if (hook.made_qdisc) clsact_destroy_if_unused(hook.ifindex);
}

bool hook_alive(const hl_hook &hook, Direction direction, int program_fd, const std::string &pin) {
    if (hook.kind == HL_HOOK_CLSACT) {
        bpf_tc_hook at = clsact_hook(hook.ifindex, direction);
        bpf_tc_opts opts = clsact_opts(direction);
        return bpf_tc_query(&at, &opts) == 0 && opts.prog_id == program_id(program_fd);
    }
    Fd link(hook.kind != HL_HOOK_NONE ? bpf_obj_get(pin.c_str()) : -1);
    bpf_link_info info{};
    uint32_t size = sizeof(info);
    // info.tcx.ifindex, which these headers do not name, stands where info.xdp.ifindex does.
    if (!link || bpf_obj_get_info_by_fd(link.get(), &info, &size)) return false;
    // A netkit's link tells the number of the other end, in another namespace.
    return hook.kind == HL_HOOK_NETKIT ? info.xdp.ifindex != 0 : info.xdp.ifindex == hook.ifindex;
}

int try_tcx(const HookPoint &at, int program_fd) {
    Fd link(tcx_attach(at, program_fd));
    return link ? 0 : -link.get();
}

int try_clsact(const HookPoint &at, int program_fd) {
    try {
        detach_hook(clsact_attach(at, program_fd), at.direction, "");
        return 0;
    } catch (const Error &error) {
        return error.code();
    }
}

bool has_foreign_filters(uint32_t ifindex, Direction direction, int own_program_fd) {
    // Filters that are no eBPF program have the id 0, as program_id() of none has.
    uint32_t own = own_program_fd < 0 ? any_program : program_id(own_program_fd);
    return Rtnl().count_filters(Ifindex{ifindex}, clsact_parent(direction), own) > 0;
}

} // namespace hitless
