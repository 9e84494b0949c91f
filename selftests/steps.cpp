// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/steps.hpp"

#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

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
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_rename: return call.number == SYS_mkdir ? "mkdir" : "remove or rename";
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

[[noreturn]] void become(const std::vector<std::string> &command) {
    std::vector<char *> words;
    for (const std::string &word : command)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
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

} // namespace

std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       unsigned n) {
    const pid_t pid = fork();
    if (pid < 0) throw Error(errno, "fork");
    if (pid == 0) become(command);
    int state = 0;
    waitpid(pid, &state, 0);
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    bool counting = false;
    int signal = 0;
    while (true) {
        ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
        if (waitpid(pid, &state, 0) < 0) throw Error(errno, "wait for " + command.front());
        if (WIFEXITED(state) || WIFSIGNALED(state)) return "";
        const bool at_call = WSTOPSIG(state) == (SIGTRAP | 0x80);
        signal = at_call || WSTOPSIG(state) == SIGTRAP ? 0 : WSTOPSIG(state);
        Call call{};
        if (!at_call || !is_entry(pid, call)) continue;
        const std::string step = name_of(call);
        counting =
            counting || (step == "mkdir" && path_of(pid, call).find(from) != std::string::npos);
        if (step.empty() || !counting || --n) continue;
        kill(pid, SIGKILL);
        waitpid(pid, &state, 0);
        return step;
    }
}

} // namespace hitless::selftest
