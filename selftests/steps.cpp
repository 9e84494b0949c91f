// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/steps.hpp"

#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"
#include "maps/hitless_abi.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace hitless::selftest {
namespace {

struct Call {
    std::uint64_t number, arguments[6];
};

std::string name_of(const Call &call) {
    switch (call.number) {
    case SYS_bpf:
        switch (call.arguments[0]) {
        case BPF_OBJ_PIN: return "pin";
        case BPF_LINK_CREATE: return "link";
        case BPF_LINK_UPDATE: return "link update";
        case BPF_LINK_DETACH: return "link detach";
        default: return "";
        }
#ifdef SYS_mkdir
    case SYS_mkdir: return "mkdir";
    case SYS_unlink:
    case SYS_rmdir: return "remove";
    case SYS_rename: return "rename";
#endif
    case SYS_mkdirat: return "mkdir";
    case SYS_unlinkat: return "remove";
    case SYS_renameat:
    case SYS_renameat2: return "rename";
    case SYS_sendto:
    case SYS_sendmsg: return "netlink";
    default: return "";
    }
}

/// The text that a call's path argument points to.
std::string path_of(pid_t pid, const Call &call) {
    char text[512] = {};
    const std::uint64_t at = call.arguments[call.number == SYS_mkdirat ? 1 : 0];
    iovec here{text, sizeof(text) - 1}, there{reinterpret_cast<void *>(at), sizeof(text) - 1};
    process_vm_readv(pid, &here, 1, &there, 1, 0);
    return text;
}

/// What is worth refusing besides; and nothing by which one cleans up.
std::string refusable(const Call &call) {
    if (call.number == SYS_bpf && call.arguments[0] == BPF_PROG_LOAD) return "program";
    if (call.number == SYS_bpf && call.arguments[0] == BPF_MAP_CREATE) return "map";
    const std::string name = name_of(call);
    return name.starts_with("remove") || name == "link detach" ? "" : name;
}

#ifdef __x86_64__
/// At its entry.
void refuse(pid_t pid, int error) {
    user_regs_struct registers{};
    int state = 0;
    ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
    registers.orig_rax = static_cast<unsigned long long>(-1);
    ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
    ptrace(PTRACE_SYSCALL, pid, nullptr, 0);
    waitpid(pid, &state, 0);
    ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
    registers.rax = static_cast<unsigned long long>(-error);
    ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
}
#else
void refuse(pid_t, int) {}
#endif

[[noreturn]] void become(const std::vector<std::string> &command, int err) {
    std::vector<char *> words;
    for (const std::string &word : command)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(err < 0 ? null : err, STDERR_FILENO);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    execv(words[0], words.data());
    _exit(127);
}

/// Where it is about to enter the kernel; nothing at any other stop.
bool is_entry(pid_t pid, Call &call) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0) return false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    call.number = info.entry.nr;
    std::copy(std::begin(info.entry.args), std::end(info.entry.args), call.arguments);
    return true;
}

/// Where it leaves the kernel and has to ask the same again: the verifier was interrupted.
bool returns_again(pid_t pid) {
    __ptrace_syscall_info info{};
    return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
           info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == -EAGAIN;
}

/// Started, and stopped before its first instruction.
pid_t start_traced(const std::vector<std::string> &command, int err = -1) {
    const pid_t pid = fork();
    if (pid < 0) throw Error(errno, "fork");
    if (pid == 0) become(command, err);
    int state = 0;
    waitpid(pid, &state, 0);
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    return pid;
}

struct Stop {
    pid_t pid = 0;
    Call call{};
    std::string step; ///< "" at its end
    int state = 0;
};

/// Runs it up to its n-th step since the directory was made, by the name that `name` gives.
template <typename Name>
Stop stop_before(pid_t pid, const std::string &from, unsigned n, Name name) {
    Stop at{.pid = pid, .call = {}, .step = "", .state = 0};
    bool counting = from.empty(), counted = false;
    int signal = 0;
    while (true) {
        ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
        if (waitpid(pid, &at.state, 0) < 0) throw Error(errno, "wait for a traced command");
        if (WIFEXITED(at.state) || WIFSIGNALED(at.state)) return at;
        const bool at_call = WSTOPSIG(at.state) == (SIGTRAP | 0x80);
        signal = at_call || WSTOPSIG(at.state) == SIGTRAP ? 0 : WSTOPSIG(at.state);
        if (!at_call) continue;
        if (!is_entry(pid, at.call)) {
            n += std::exchange(counted, false) && returns_again(pid);
            continue;
        }
        const std::string step = name(at.call);
        counting =
            counting || (step == "mkdir" && path_of(pid, at.call).find(from) != std::string::npos);
        counted = !step.empty() && counting;
        if (!counted || --n) continue;
        at.step = step;
        return at;
    }
}

std::string end_before(const Stop &at) {
    if (at.step.empty()) return "";
    kill(at.pid, SIGKILL);
    waitpid(at.pid, nullptr, 0);
    return at.step;
}

/// And lets it go on to its end.
Refusal refuse_at(Stop at, int error, const Fd &err) {
    const std::string step = at.step;
    const bool from_then_on = step == "program" || step == "map";
    const auto alike = [&](const Call &call) { return refusable(call) == step ? step : ""; };
    while (!at.step.empty()) {
        refuse(at.pid, error);
        if (from_then_on) {
            at = stop_before(at.pid, "", 1, alike);
            continue;
        }
        ptrace(PTRACE_DETACH, at.pid, nullptr, 0);
        waitpid(at.pid, &at.state, 0);
        break;
    }
    std::string said(4096, '\0');
    const ssize_t size = pread(err.get(), said.data(), said.size(), 0);
    said.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return {step, WIFEXITED(at.state) ? WEXITSTATUS(at.state) : -1, said};
}

bool maps_a_record(const Call &call) {
    return call.number == SYS_mmap && call.arguments[1] == sizeof(hl_pair) &&
           call.arguments[2] == (PROT_READ | PROT_WRITE) && call.arguments[3] == MAP_SHARED;
}

/// Goes on until so many records were mapped, or to its end; returns how many were.
unsigned map_records(pid_t pid, unsigned wanted) {
    unsigned maps = 0;
    int signal = 0, state = 0;
    for (bool mapping = false;;) {
        ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
        if (waitpid(pid, &state, 0) < 0 || WIFEXITED(state) || WIFSIGNALED(state)) return maps;
        const bool at_call = WSTOPSIG(state) == (SIGTRAP | 0x80);
        signal = at_call || WSTOPSIG(state) == SIGTRAP ? 0 : WSTOPSIG(state);
        if (!at_call) continue;
        Call call{};
        const bool mapped = std::exchange(mapping, is_entry(pid, call) && maps_a_record(call));
        if (mapped && ++maps == wanted) return maps;
    }
}

} // namespace

unsigned run_to_call(pid_t child, unsigned calls, const std::function<void()> &meanwhile,
                     const std::function<bool()> &over) {
    if (ptrace(PTRACE_SEIZE, child, nullptr, PTRACE_O_TRACESYSGOOD) < 0 ||
        ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr) < 0)
        throw Error(errno, fmt::format("trace process {}", child));
    int status = 0;
    waitpid(child, &status, __WALL);
    meanwhile();
    unsigned made = 0;
    for (bool done = false; made < calls && !done; made++) {
        if (ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) < 0) break;
        // It may rest in a call, and all be done.
        while (!done && waitpid(child, &status, __WALL | (over ? WNOHANG : 0)) == 0)
            done = over();
    }
    return made;
}

HeldWithRecord::HeldWithRecord(const std::vector<std::string> &command,
                               const std::vector<std::string> &rehearsal) {
    const unsigned all = map_records(start_traced(rehearsal), UINT_MAX);
    pid_ = start_traced(command);
    if (map_records(pid_, all) < all) pid_ = 0;
}

HeldWithRecord::~HeldWithRecord() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

int HeldWithRecord::go_on() {
    int state = 0;
    ptrace(PTRACE_DETACH, pid_, nullptr, 0);
    waitpid(std::exchange(pid_, 0), &state, 0);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       unsigned n) {
    return end_before(stop_before(start_traced(command), from, n, name_of));
}

std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       const std::string &step, unsigned n) {
    const auto named = [&](const Call &call) {
        const std::string name = name_of(call);
        return name == step || name == "mkdir" ? name : "";
    };
    // The making of the directory is the first.
    return end_before(stop_before(start_traced(command), from, n + 1, named));
}

#ifdef __x86_64__
const bool can_refuse = true;
#else
const bool can_refuse = false;
#endif

Refusal refuse_step(const std::vector<std::string> &command, const std::string &from, unsigned n,
                    int error) {
    const Fd err(memfd_create("stderr", MFD_CLOEXEC));
    return refuse_at(stop_before(start_traced(command, err.get()), from, n, refusable), error, err);
}

Refusal refuse_first(const std::vector<std::string> &command, const std::string &step, int error) {
    const Fd err(memfd_create("stderr", MFD_CLOEXEC));
    const auto named = [&](const Call &call) { return refusable(call) == step ? step : ""; };
    return refuse_at(stop_before(start_traced(command, err.get()), "", 1, named), error, err);
}

} // namespace hitless::selftest
