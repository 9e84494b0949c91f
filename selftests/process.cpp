// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/process.hpp"

#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace hitless::selftest {

using namespace std::chrono_literals;
using testbed::until;

namespace {

Fd memory_file() {
    Fd fd(memfd_create("process", MFD_CLOEXEC));
    if (!fd) throw Error(errno, "create a memory file");
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

} // namespace

Process::Process(const std::vector<std::string> &command, const std::vector<std::string> &without)
    : out_(memory_file()), err_(memory_file()) {
    std::vector<char *> argv;
    for (const auto &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err_.get(), 2);
    const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(),
                                    environment_but(without).data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw Error(failed, "run " + command.front());
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
    until([&] { return ended().has_value(); }, patience);
    return code_;
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

std::string hitless_binary() {
    if (const char *given = getenv("HITLESS")) return given;
    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "hitless";
    return std::filesystem::exists(beside) ? beside.string() : "hitless";
}

Outcome run(const std::vector<std::string> &command, const std::vector<std::string> &without) {
    Process process(command, without);
    const int code = process.wait().value_or(-1);
    return {code, process.out(), process.err()};
}

Outcome hitless_cli(const testbed::Netns &ns, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {hitless_binary(), "-n", ns.name()});
    return run(arguments);
}

std::string PrivateState::dir() {
    return fmt::format("/run/hitless-selftest-{}", getpid());
}

PrivateState::PrivateState() {
    std::filesystem::create_directory(dir());
    setenv("HITLESS_STATE_DIR", dir().c_str(), 1);
}

PrivateState::~PrivateState() {
    umount2((dir() + "/bpf").c_str(), MNT_DETACH); // what a failed test left pinned goes with it
    std::error_code ignored;
    std::filesystem::remove_all(dir(), ignored);
}

} // namespace hitless::selftest
