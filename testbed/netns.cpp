// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/netns.hpp"

#include "loader/core/error.hpp"
#include "testbed/process.hpp"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <sched.h>
#include <vector>

namespace hitless::testbed {
namespace {

constexpr const char *directory = "/run/netns";

/// The pid in "hl<pid>-guest" and "hl<pid>x2-guest"; nothing for names that are not ours.
std::optional<pid_t> owner(std::string_view name) {
    if (!name.starts_with("hl") || name.find('-') == name.npos) return {};
    pid_t pid = 0;
    const char *end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 2, end, pid);
    if (error != std::errc{} || (*rest != '-' && *rest != 'x')) return {};
    return pid;
}

} // namespace

Netns::Netns(std::string name) : name_(std::move(name)) {
    spawn({"ip", "netns", "add", name_});
    fd_ = Fd(open(fmt::format("{}/{}", directory, name_).c_str(), O_RDONLY | O_CLOEXEC));
    if (fd_) return;
    const int cause = errno;
    forget_netns(name_);
    throw Error(cause, "open network namespace " + name_);
}

Netns::Netns(Netns &&other) noexcept
    : name_(std::exchange(other.name_, {})), fd_(std::move(other.fd_)), ours_(other.ours_) {}

Netns Netns::of_others(std::string name) {
    Fd fd(open(fmt::format("{}/{}", directory, name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw Error(errno, "open network namespace " + name);
    return {std::move(name), std::move(fd)};
}

Netns::~Netns() {
    if (ours_ && !name_.empty()) forget_netns(name_);
}

void Netns::sysctl(std::string_view path, std::string_view value) const {
    in_netns(*this, [&] {
        const Fd file(open(fmt::format("/proc/sys/{}", path).c_str(), O_WRONLY | O_CLOEXEC));
        if (!file || write(file.get(), value.data(), value.size()) < 0)
            throw Error(errno, fmt::format("set {} to {} in {}", path, value, name_));
    });
}

NetnsGuard::NetnsGuard(const Netns &target)
    : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (!home_) throw Error(errno, "open this thread's network namespace");
    if (setns(target.fd(), CLONE_NEWNET) != 0)
        throw Error(errno, "enter network namespace " + target.name(), "run as root");
}

NetnsGuard::~NetnsGuard() {
    if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

void forget_netns(const std::string &name) noexcept {
    try {
        spawn({"ip", "netns", "del", name});
    } catch (const std::exception &) { // it is gone already, or nothing can be done about it here
    }
}

std::string unique_prefix() {
    static std::atomic<unsigned> made{0};
    const unsigned n = ++made;
    return n == 1 ? fmt::format("hl{}", getpid()) : fmt::format("hl{}x{}", getpid(), n);
}

void sweep_stale_netns() {
    const std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir(directory), closedir);
    if (!dir) return; // nobody has made a named namespace yet
    std::vector<std::string> stale;
    while (const dirent *entry = readdir(dir.get())) {
        const auto pid = owner(entry->d_name);
        if (pid && kill(*pid, 0) != 0 && errno == ESRCH) stale.emplace_back(entry->d_name);
    }
    for (const auto &name : stale)
        forget_netns(name);
}

} // namespace hitless::testbed
