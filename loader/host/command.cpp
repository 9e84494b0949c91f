// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/command.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <utility>

extern char **environ;

namespace hitless {
namespace {

constexpr size_t most_output = 4096;

struct Pipe {
    Fd read, write;
    Pipe() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) throw Error(errno, "make a pipe");
        read = Fd(ends[0]);
        write = Fd(ends[1]);
        fcntl(read.get(), F_SETFL, O_NONBLOCK);
    }
};

std::vector<char *> pointers(const std::vector<std::string> &words) {
    std::vector<char *> out;
    for (const std::string &word : words)
        out.push_back(const_cast<char *>(word.c_str()));
    return out;
}

/// The caller blocks signals to read them by signalfd; a command wants to be ended by them.
struct Attributes {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    Attributes(int out, int err) {
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setpgroup(&attributes, 0);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    }
    ~Attributes() {
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
    }
};

constexpr Instant short_patience = std::chrono::milliseconds(10); // killed, it is gone in a moment
constexpr Instant long_patience = std::chrono::milliseconds(500); // or hangs in the kernel

/// Killed by who did not wait for their end.
std::vector<pid_t> left_over; // NOLINT(cert-err58-cpp)

[[noreturn]] void throw_unwatched(pid_t pid, const std::string &shown, int error) {
    kill(-pid, SIGKILL);
    left_over.push_back(pid);
    throw Error(error, fmt::format("watch `{}`", shown), "boot Linux 5.3 or later");
}

void drain(int fd, std::string &into) {
    char buffer[1024];
    ssize_t size = 0;
    while ((size = read(fd, buffer, sizeof(buffer))) > 0)
        if (into.size() < most_output) into.append(buffer, static_cast<size_t>(size));
}

} // namespace

Command::Command(const std::vector<std::string> &command, const std::vector<std::string> &more,
                 Instant deadline)
    : shown_(fmt::format("{}", fmt::join(command, " "))), deadline_(deadline) {
    std::erase_if(left_over, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
    Pipe out, err;
    Attributes with(out.write.get(), err.write.get());
    std::vector<char *> arguments = pointers(command), environment = pointers(more);
    for (char **old = environ; *old; old++)
        environment.push_back(*old);
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    if (int error = posix_spawnp(&pid_, arguments[0], &with.files, &with.attributes,
                                 arguments.data(), environment.data()))
        throw Error(error, fmt::format("run `{}`", shown_),
                    "mend the command in the configuration");
    process_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    out_ = std::move(out.read);
    err_ = std::move(err.read);
    if (!process_) throw_unwatched(pid_, shown_, errno);
}

Command::~Command() {
    if (!pid_) return;
    kill(-pid_, SIGKILL);
    if (!reap()) left_over.push_back(pid_);
}

std::optional<int> Command::reap() {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) return std::nullopt;
    pid_ = 0;
    return status;
}

bool Command::ended(Instant now) {
    if (!pid_) return true;
    siginfo_t about{};
    bool alive = waitid(P_PID, static_cast<id_t>(pid_), &about, WEXITED | WNOHANG | WNOWAIT) < 0 ||
                 about.si_pid != pid_;
    if (alive && now < deadline_) return false;
    kill(-pid_, SIGKILL); // what it left behind, too
    std::optional<int> reaped = reap();
    if (killed_ || alive) {
        process_ = Fd(); // asked now and then from here on
        result_.failure = fmt::format("`{}` did not end in time and was killed", shown_);
        deadline_ = now + (std::exchange(killed_, true) ? long_patience : short_patience);
        return reaped.has_value();
    }
    int status = reaped.value_or(0);
    drain(out_.get(), result_.out);
    std::string complaint;
    drain(err_.get(), complaint);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    std::string how = WIFEXITED(status) ? fmt::format("ended with code {}", WEXITSTATUS(status))
                                        : fmt::format("was ended by signal {}", WTERMSIG(status));
    complaint.erase(complaint.find_last_not_of(" \n") + 1);
    result_.failure = fmt::format("`{}` {}{}{}", shown_, how, complaint.empty() ? "" : ": ",
                                  complaint.substr(complaint.rfind('\n') + 1));
    return true;
}

} // namespace hitless
