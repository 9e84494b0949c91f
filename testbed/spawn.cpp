// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/spawn.hpp"

#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

namespace hitless::testbed {
namespace {

// Files in memory instead of pipes: a command that prints much cannot deadlock with one that waits.
Fd memory_file() {
    Fd fd(memfd_create("spawn", MFD_CLOEXEC));
    if (!fd) throw Error(errno, "create a memory file");
    return fd;
}

std::string contents(const Fd &file) {
    std::string text;
    char buffer[4096];
    off_t at = 0;
    ssize_t n = 0;
    while ((n = pread(file.get(), buffer, sizeof buffer, at)) > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
        at += n;
    }
    return text;
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    for (char &c : text)
        if (c == '\n') c = ' ';
    return text;
}

int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

} // namespace

std::string spawn(const std::vector<std::string> &command, std::string_view input) {
    const std::string shown = fmt::format("run `{}`", fmt::join(command, " "));
    const Fd in = memory_file();
    const Fd out = memory_file();
    const Fd err = memory_file();
    if (pwrite(in.get(), input.data(), input.size(), 0) != static_cast<ssize_t>(input.size()))
        throw Error(errno, shown);

    std::vector<char *> argv;
    for (const auto &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err.get(), 2);
    pid_t pid = 0;
    const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw Error(failed, shown, "install iproute2");

    const int status = wait_for(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const std::string said = one_line(contents(err));
        throw Error(EIO, shown, said.empty() ? fmt::format("wait status {}", status) : said, "");
    }
    return contents(out);
}

void ip_batch(const std::string &netns, std::string_view lines) {
    spawn({"ip", "-n", netns, "-batch", "-"}, lines);
}

} // namespace hitless::testbed
