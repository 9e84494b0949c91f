// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/hook.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "loader/kernel/bpf/tcx.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless {
namespace {

// Ours alone: a handle names a filter together with its priority. Inward first, outward last.
constexpr uint32_t clsact_handle = 0x484c;
constexpr uint32_t clsact_first = 1;
constexpr uint32_t clsact_last = 0xffff;
constexpr std::string_view own_name = "hl_"; // and so every program of bpf/ begins

bool is_ours(const Filter &filter, Direction direction) {
    uint32_t priority = direction == Direction::ingress ? clsact_first : clsact_last;
    return filter.handle == clsact_handle && filter.priority == priority &&
           filter.name.starts_with(own_name);
}

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

void clsact_destroy_if_unused(uint32_t ifindex) {
    Rtnl rtnl;
    for (Direction d : {Direction::ingress, Direction::egress})
        if (!filters(rtnl, Ifindex{ifindex}, d).empty()) return;
    bpf_tc_hook hook = clsact_hook(ifindex, Direction::ingress);
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    bpf_tc_hook_destroy(&hook); // which an `ingress` qdisc survives
}

std::string describe(const HookPoint &at, std::string_view how) {
    return fmt::format("attach the {} {} program to {}", how,
                       at.direction == Direction::ingress ? "ingress" : "egress", at.shown);
}

/// Why a filter of ours would land elsewhere than it should, or at another place among others' than
/// it must, and what mends that.
struct NoRoom {
    std::string cause, remedy;
};

std::optional<NoRoom> no_room(Rtnl &rtnl, const HookPoint &at) {
    Ifindex device{at.ifindex};
    TcHook hook = tc_hook(rtnl, device);
    std::string anew = fmt::format(
        "`tc qdisc del dev {0} {1} && tc qdisc add dev {0} clsact`, then "
        "add its filters again",
        shell_quoted(at.shown), hook.kind == TcHook::Kind::ingress ? "ingress" : "clsact");
    if (hook.kind != TcHook::Kind::none && !hook.has(at.direction))
        return NoRoom{"its `ingress` qdisc has no place for a program that sees what it sends, and "
                      "this kernel has no other (Linux 6.6 has)",
                      anew};
    if (uint32_t block = hook.block(at.direction))
        return NoRoom{
            fmt::format("its filters stand in block {}, which other devices may share", block),
            anew};
    if (at.direction == Direction::ingress) return {}; // of equal priority, the newest runs first
    for (const Filter &filter : filters(rtnl, device, at.direction))
        if (filter.priority == clsact_last && !is_ours(filter, at.direction))
            return NoRoom{fmt::format("a filter of others has the last priority, {}", clsact_last),
                          fmt::format("give it another; `tc filter show dev {} egress` shows it",
                                      shell_quoted(at.shown))};
    return {};
}

std::optional<NoRoom> no_room_if_needed(const HookPoint &at) {
    bool behind = at.direction == Direction::egress && has_other_filters(at.ifindex, at.direction);
    if (has_tcx(at.ifindex) && !behind) return {};
    Rtnl rtnl;
    return no_room(rtnl, at);
}

void refuse(const HookPoint &at, const std::optional<NoRoom> &why) {
    if (why) throw Error(EBUSY, describe(at, "clsact"), why->cause, why->remedy);
}

std::string clsact_way_out(int error, const HookPoint &at) {
    switch (error) {
    case EPERM: return "run as root";
    case ENOENT: return "the kernel needs CONFIG_NET_CLS_BPF (modprobe cls_bpf)";
    case EINVAL:
    case EEXIST:
        return fmt::format("another filter may have the priority {}, which ours needs: `tc filter "
                           "show dev {} ingress` shows it; give it another",
                           clsact_first, shell_quoted(at.shown));
    default: return "";
    }
}

hl_hook clsact_attach(const HookPoint &at, int program_fd) {
    LibbpfSilence silence; // what fails comes back as an Error
    Rtnl rtnl;
    refuse(at, no_room(rtnl, at));
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
    opts.flags = BPF_TC_F_REPLACE; // one of ours whose pair is gone
    error = bpf_tc_attach(&hook, &opts);
    if (!error) return record;
    if (record.made_qdisc) clsact_destroy_if_unused(at.ifindex);
    throw Error(-error, describe(at, "clsact"), clsact_way_out(-error, at));
}

uint32_t program_id(int program_fd) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    return bpf_obj_get_info_by_fd(program_fd, &info, &size) ? 0 : info.id;
}

/// Its program runs no more when this returns. Of an unpinned link alone the kernel takes the
/// program off later, in a work queue (bpf_link_put() in kernel/bpf/syscall.c); that of a device
/// which is gone has none to take off.
void drop_link(const std::string &pin) {
    if (pin.empty()) return;
    if (Fd link(bpf_obj_get(pin.c_str())); link) bpf_link_detach(link.get());
    if (unlink(pin.c_str()) < 0 && errno != ENOENT)
        throw Error(errno, fmt::format("unpin {}", pin));
}

std::string replacing(const hl_hook &hook) {
    return fmt::format("replace our program on device {}", hook.ifindex);
}

void update_link(const hl_hook &hook, int program_fd, const std::string &pin) {
    Fd link(bpf_obj_get(pin.c_str()));
    if (!link && errno == ENOENT) return;
    if (!link) throw Error(errno, fmt::format("open {}", pin));
    // ENOLINK: the device is gone.
    if (bpf_link_update(link.get(), program_fd, nullptr) && errno != ENOLINK)
        throw Error(errno, replacing(hook));
}

/// Of our link, as long as it is on its device.
std::optional<uint32_t> program_in_link(const hl_hook &hook, const std::string &pin) {
    Fd link(hook.kind != HL_HOOK_NONE ? bpf_obj_get(pin.c_str()) : -1);
    bpf_link_info info{};
    uint32_t size = sizeof(info);
    if (!link || bpf_obj_get_info_by_fd(link.get(), &info, &size)) return std::nullopt;
    // info.tcx.ifindex, which these headers do not name, stands where info.xdp.ifindex does. A
    // netkit's link tells the number of the other end, in another namespace.
    uint32_t device = info.xdp.ifindex;
    bool there = hook.kind == HL_HOOK_NETKIT ? device != 0 : device == hook.ifindex;
    return there ? std::optional(info.prog_id) : std::nullopt;
}

} // namespace

bool has_tcx(uint32_t ifindex) {
    tcx::Query query{};
    query.target_ifindex = ifindex;
    query.attach_type = tcx::attach_egress;
    return syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)) == 0 || errno != EINVAL;
}

hl_hook attach_hook(const HookPoint &at, int program_fd, const std::string &pin) {
    bool yield_to_filters = at.direction == Direction::egress && !at.netkit &&
                            has_other_filters(at.ifindex, at.direction);
    int fd = yield_to_filters ? -EINVAL : tcx_attach(at, program_fd);
    // EINVAL: a kernel before 6.6 does not know the attach type.
    if (fd == -EINVAL && !at.netkit) {
        hl_hook out = clsact_attach(at, program_fd);
        drop_link(pin); // the tcx link that the filter takes over from, if any
        return out;
    }
    if (fd < 0)
        throw Error(-fd, describe(at, at.netkit ? "netkit" : "tcx"),
                    fd == -EPERM ? "run as root" : "");
    Fd link(fd);
    unlink(pin.c_str()); // of a device that is gone
    if (bpf_obj_pin(link.get(), pin.c_str()) < 0) throw Error(errno, fmt::format("pin {}", pin));
    return {at.ifindex, static_cast<uint8_t>(at.netkit ? HL_HOOK_NETKIT : HL_HOOK_TCX), 0, {}};
}

void replace_program(const hl_hook &hook, Direction direction, int program_fd,
                     const std::string &pin) {
    if (hook.kind == HL_HOOK_CLSACT) {
        const std::string action = replacing(hook);
        LibbpfSilence silence; // somebody may have removed it
        bpf_tc_hook at = clsact_hook(hook.ifindex, direction);
        bpf_tc_opts opts = clsact_opts(direction);
        if (int error = bpf_tc_query(&at, &opts)) {
            if (error == -ENOENT || error == -EINVAL || error == -ENODEV) return;
            throw Error(-error, action);
        }
        // Nothing is asked of the kernel that it might refuse, where nothing was changed.
        if (opts.prog_id == program_id(program_fd)) return;
        opts = clsact_opts(direction);
        opts.prog_fd = program_fd;
        opts.flags = BPF_TC_F_REPLACE;
        if (int error = bpf_tc_attach(&at, &opts)) throw Error(-error, action);
        return;
    }
    update_link(hook, program_fd, pin);
}

Fd link_tcx(const HookPoint &at, int program_fd) {
    int fd = tcx_attach(at, program_fd);
    if (fd >= 0) return Fd(fd);
    if (fd == -EINVAL && !has_tcx(at.ifindex))
        throw Error(EOPNOTSUPP, describe(at, "tcx"), "this kernel has no tcx",
                    "boot Linux 6.6 or later");
    throw Error(-fd, describe(at, "tcx"), fd == -EPERM ? "run as root" : "");
}

void check_hook(const HookPoint &at) {
    refuse(at, no_room_if_needed(at));
}

std::string make_room(const HookPoint &at) {
    std::optional<NoRoom> why = no_room_if_needed(at);
    return why ? why->remedy : "";
}

void detach_hook(const hl_hook &hook, Direction direction, const std::string &pin) {
    drop_link(pin);
    if (hook.kind != HL_HOOK_CLSACT) return;
    LibbpfSilence silence; // somebody may have removed it
    bpf_tc_hook at = clsact_hook(hook.ifindex, direction);
    bpf_tc_opts opts = clsact_opts(direction);
    bpf_tc_detach(&at, &opts);
    if (hook.made_qdisc) clsact_destroy_if_unused(hook.ifindex);
}

bool hook_alive(const hl_hook &hook, Direction direction, int program_fd, const std::string &pin) {
    if (hook.kind == HL_HOOK_CLSACT) {
        LibbpfSilence silence; // it may be gone
        bpf_tc_hook at = clsact_hook(hook.ifindex, direction);
        bpf_tc_opts opts = clsact_opts(direction);
        return bpf_tc_query(&at, &opts) == 0 && opts.prog_id == program_id(program_fd);
    }
    return program_in_link(hook, pin) == program_id(program_fd);
}

bool retake_link(const hl_hook &hook, int program_fd, const std::string &pin) {
    if (hook.kind != HL_HOOK_TCX && hook.kind != HL_HOOK_NETKIT) return false;
    std::optional<uint32_t> there = program_in_link(hook, pin);
    if (!there || *there == program_id(program_fd)) return false;
    update_link(hook, program_fd, pin);
    return true;
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

std::vector<Filter> other_filters(uint32_t ifindex, Direction direction) {
    Rtnl rtnl;
    std::vector<Filter> out = filters(rtnl, Ifindex{ifindex}, direction);
    std::erase_if(out, [&](const Filter &f) { return is_ours(f, direction); });
    return out;
}

bool has_other_filters(uint32_t ifindex, Direction direction) {
    return !other_filters(ifindex, direction).empty();
}

std::vector<OwnFilter> own_filters(Rtnl &rtnl) {
    std::vector<OwnFilter> out;
    for (Ifindex device : devices_with_tc_hook(rtnl))
        for (Direction d : {Direction::ingress, Direction::egress})
            for (const Filter &filter : filters(rtnl, device, d))
                if (is_ours(filter, d)) out.push_back({number(device), d});
    return out;
}

void remove_filter(const OwnFilter &filter) {
    detach_hook({filter.ifindex, HL_HOOK_CLSACT, 0, {}}, filter.direction, "");
}

} // namespace hitless
