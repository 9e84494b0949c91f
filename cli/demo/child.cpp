// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/child.hpp"
#include "loader/core/error.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hitless::cli::demo {
namespace {

constexpr const char *this_binary = "/proc/self/exe";

/// Between fork and exec of a threaded process: system calls only.
[[noreturn]] void become(char *const *argv, const char *log) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, 0); // the demo's own haste is not the product's
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) _exit(127);
    execv(this_binary, argv);
    _exit(127);
}

} // namespace

Child::Child(const std::vector<std::string> &arguments, const std::string &log) {
    std::vector<char *> argv{const_cast<char *>("hitless")};
    for (const std::string &word : arguments)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) throw Error(errno, "start a child process");
    if (pid_ == 0) become(argv.data(), log.c_str());
}

Child::~Child() {
    using namespace std::chrono_literals;
    if (!running()) return;
    kill(pid_, SIGTERM);
    if (!testbed::until([this] { return !running(); }, 2s)) end(SIGKILL);
}

bool Child::running() {
    if (!over_) over_ = waitpid(pid_, &status_, WNOHANG) != 0;
    return !over_;
}

int Child::end(int signal) {
    if (!running()) return status_;
    kill(pid_, signal);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR)
        continue;
    over_ = true;
    return status_;
}

} // namespace hitless::cli::demo
