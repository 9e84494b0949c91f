// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/probe.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/bpf/hook.hpp"
#include "loader/kernel/bpf/libbpf_silence.hpp"
#include "loader/kernel/bpf/load.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

namespace hitless {
namespace {

constexpr uint32_t loopback = 1; // in every network namespace

const bpf_insn return_zero[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

/// skb->tc_index = 7; return skb->tc_index;
const bpf_insn mark_and_read[] = {
    {.code = BPF_ST | BPF_MEM | BPF_W,
     .dst_reg = BPF_REG_1,
     .src_reg = 0,
     .off = offsetof(__sk_buff, tc_index),
     .imm = 7},
    {.code = BPF_LDX | BPF_MEM | BPF_W,
     .dst_reg = BPF_REG_0,
     .src_reg = BPF_REG_1,
     .off = offsetof(__sk_buff, tc_index),
     .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

/// Runs `step` in a child, whose namespaces and mounts end with it; returns its result (0 to 255).
template <typename Step>
int in_child(Step step) {
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) _exit(step());
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

Fd load_tiny(bpf_prog_type type, const bpf_prog_load_opts &opts) {
    int fd = bpf_prog_load(type, "hl_probe", "GPL", return_zero, std::size(return_zero), &opts);
    return Fd(fd);
}

std::string link_target(const char *path) {
    char target[64] = {};
    return readlink(path, target, sizeof(target) - 1) < 0 ? "" : target;
}

bool file_has(const std::string &path, std::string_view line) {
    std::ifstream file(path);
    for (std::string text; std::getline(file, text);)
        if (text == line) return true;
    return false;
}

} // namespace

KernelRelease kernel_release() {
    utsname name{};
    uname(&name);
    KernelRelease out{.text = name.release};
    std::sscanf(name.release, "%u.%u", &out.major, &out.minor); // NOLINT(cert-err34-c)
    return out;
}

int try_liveness(hl_liveness variant) {
    try {
        load_objects({.master = loopback, .liveness = variant});
        return 0;
    } catch (const Error &error) {
        return error.code();
    }
}

int try_hook(HookTry which) {
    LIBBPF_OPTS(bpf_prog_load_opts, opts);
    Fd program = load_tiny(BPF_PROG_TYPE_SCHED_CLS, opts);
    if (!program) return errno;
    return in_child([&] {
        if (unshare(CLONE_NEWNET) < 0) return errno;
        HookPoint at{loopback, Direction::ingress, "lo"};
        return which == HookTry::tcx ? try_tcx(at, program.get()) : try_clsact(at, program.get());
    });
}

int try_mark() {
    LIBBPF_OPTS(bpf_prog_load_opts, load);
    Fd program(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "hl_probe", "GPL", mark_and_read,
                             std::size(mark_and_read), &load));
    if (!program) return errno;
    const char frame[64] = {};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));
    if (int error = bpf_prog_test_run_opts(program.get(), &run)) return -error;
    return run.retval == 7 ? 0 : ENODATA;
}

int try_bpffs() {
    return in_child([] {
        if (unshare(CLONE_NEWNS) < 0) return errno;
        if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return errno;
        return mount("hitless", "/proc", "bpf", 0, nullptr) < 0 ? errno : 0;
    });
}

std::optional<bool> programs_are_compiled() {
    LIBBPF_OPTS(bpf_prog_load_opts, opts);
    Fd program = load_tiny(BPF_PROG_TYPE_SCHED_CLS, opts);
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size)) return std::nullopt;
    return info.jited_prog_len > 0;
}

bool in_initial_netns() {
    return link_target("/proc/self/ns/net") == link_target("/proc/1/ns/net");
}

std::optional<int> initial_net_sysctl(const std::string &path) {
    constexpr int unknown = 255;
    int value = in_child([&] {
        Fd first(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));
        if (!first || setns(first.get(), CLONE_NEWNET) < 0) return unknown;
        int number = unknown;
        std::ifstream("/proc/sys/net/" + path) >> number;
        return number;
    });
    return value == unknown ? std::nullopt : std::optional(value);
}

std::optional<XdpProgram> xdp_program(uint32_t ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, found);
    if (bpf_xdp_query(static_cast<int>(ifindex), 0, &found)) return std::nullopt;
    if (found.drv_prog_id) return XdpProgram{found.drv_prog_id, "xdpdrv"};
    if (found.skb_prog_id) return XdpProgram{found.skb_prog_id, "xdpgeneric"};
    if (found.hw_prog_id) return XdpProgram{found.hw_prog_id, "xdpoffload"};
    return std::nullopt;
}

std::string configured_by(uint32_t ifindex) {
    // Both name devices by number alone, and mean the first namespace's.
    if (!in_initial_netns()) return "";
    if (file_has(fmt::format("/run/NetworkManager/devices/{}", ifindex), "managed=true"))
        return "NetworkManager";
    std::string networkd = fmt::format("/run/systemd/netif/links/{}", ifindex);
    bool known = access(networkd.c_str(), R_OK) == 0;
    return known && !file_has(networkd, "ADMIN_STATE=unmanaged") ? "systemd-networkd" : "";
}

} // namespace hitless
