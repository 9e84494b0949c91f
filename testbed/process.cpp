// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/process.hpp"

#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hitless::testbed {
namespace {

Fd memory_file(std::string_view text = {}) {
    Fd fd(memfd_create("process", MFD_CLOEXEC));
    if (!fd) throw Error(errno, "create a memory file");
    if (pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        throw Error(errno, "write a memory file");
    return fd;
}

std::vector<char *> environment_but(const std::vector<std::string> &without) {
    std::vector<char *> out;
    for (char **entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        if (std::ranges::none_of(without,
                                 [&](const auto &name) { return text.starts_with(name + "="); }))
            out.push_back(*entry);
    }
    out.push_back(nullptr);
    return out;
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

std::string shown(const std::vector<std::string> &command) {
    return fmt::format("run `{}`", fmt::join(command, " "));
}

} // namespace

Process::Process(const std::vector<std::string> &command, const Options &options)
    : in_(memory_file(options.input)), out_(memory_file()), err_(memory_file()) {
    std::vector<char *> argv;
    for (const auto &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in_.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out_.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err_.get(), 2);
    const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(),
                                    environment_but(options.without_env).data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        throw Error(failed, shown(command), fmt::format("install what has `{}`", command.front()));
}

Process::~Process() {
    if (ended()) return;
    signal(SIGKILL);
    wait();
}

void Process::signal(int number) const {
    if (!code_) kill(pid_, number);
}

std::optional<int> Process::ended() {
    int status = 0;
    rusage used{};
    if (!code_ && wait4(pid_, &status, WNOHANG, &used) == pid_) {
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        waited_ = static_cast<std::uint64_t>(used.ru_nvcsw);
    }
    return code_;
}

std::optional<int> Process::wait(std::chrono::milliseconds patience) {
    const Fd over(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd entry{over.get(), POLLIN, 0};
    if (!ended() && over) poll(&entry, 1, static_cast<int>(patience.count()));
    return ended();
}

std::string Process::text(const Fd &file) {
    std::string text;
    char buffer[4096];
    off_t at = 0;
    for (ssize_t n = 0; (n = pread(file.get(), buffer, sizeof buffer, at)) > 0; at += n)
        text.append(buffer, static_cast<std::size_t>(n));
    return text;
}

std::string Outcome::shown() const {
    return fmt::format("exit {}\n{}{}", code, out, err);
}

Outcome run(const std::vector<std::string> &command, const Process::Options &options) {
    Process process(command, options);
    const int code = process.wait().value_or(-1);
    return {code, process.out(), process.err()};
}

std::string spawn(const std::vector<std::string> &command, std::string_view input) {
    const Outcome done = run(command, {.input = input});
    if (done.code == 0) return done.out;
    std::string said = one_line(done.err);
    if (done.code < 0) said = "it did not end in time";
    if (said.empty()) said = fmt::format("exit code {}", done.code);
    throw Error(EIO, shown(command), said, "");
}

void ip_batch(const std::string &netns, std::string_view lines) {
    spawn({"ip", "-n", netns, "-batch", "-"}, lines);
}

} // namespace hitless::testbed
