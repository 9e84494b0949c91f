// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netns/netns.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace hitless {
namespace {

std::string link_target(const char *path) {
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target));
    return size < 0 ? "" : std::string(target, static_cast<size_t>(size));
}

std::string mounts_of(const std::string &process) {
    return process + "/ns/mnt";
}

/// 0 when there is none.
pid_t parent_of(pid_t pid) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("PPid:")) return atoi(line.c_str() + strlen("PPid:"));
    return 0;
}

/// It mounts a /sys of the network namespace, and calls it by the namespace's name.
bool under_ip_netns_exec() {
    std::ifstream mounts("/proc/self/mounts");
    std::string source;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream fields(line);
        std::string from, path, type;
        fields >> from >> path >> type;
        if (path == "/sys" && type == "sysfs") source = from;
    }
    return !source.empty() && access(("/run/netns/" + source).c_str(), F_OK) == 0;
}

/// A process that sees the machine's own mounts: our oldest ancestor that we may look at. That is
/// process 1, unless it has capabilities that we lack (containers, some sandboxes).
std::string oldest_ancestor() {
    std::string oldest = "/proc/self";
    for (pid_t pid = getppid(); pid > 0; pid = parent_of(pid)) {
        std::string process = fmt::format("/proc/{}", pid);
        if (!link_target(mounts_of(process).c_str()).empty()) oldest = process;
    }
    return oldest;
}

} // namespace

uint64_t netns_cookie() {
    Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!probe) throw Error(errno, "open a socket");
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
        throw Error(errno, "identify the network namespace", "a kernel of 5.14 or later is needed");
    return cookie;
}

void enter_netns(std::string_view name) {
    bool is_path = name.find('/') != std::string_view::npos;
    std::string path = is_path ? std::string(name) : fmt::format("/run/netns/{}", name);
    Fd ns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string action = fmt::format("enter the network namespace {}", name);
    if (!ns) throw Error(errno, action, "`ip netns` lists those with a name");
    if (setns(ns.get(), CLONE_NEWNET) < 0) throw Error(errno, action, "run as root");
}

bool sees_initial_mounts() {
    return getppid() == 0 || oldest_ancestor() != "/proc/self";
}

std::string initial_root() {
    std::string oldest = oldest_ancestor();
    bool shared = link_target(mounts_of(oldest).c_str()) == link_target("/proc/self/ns/mnt");
    return shared ? "" : oldest + "/root";
}

void in_initial_mounts(std::string_view action, int (*fn)(const char *), const std::string &arg) {
    in_mounts_of(oldest_ancestor(), action, fn, arg);
}

std::string lasting_mounts() {
    const std::string own = link_target("/proc/self/ns/mnt");
    const std::string parents = link_target(mounts_of(fmt::format("/proc/{}", getppid())).c_str());
    bool alone = !parents.empty() && parents != own;
    if (!alone && !under_ip_netns_exec()) return "";
    std::string callers, oldest;
    for (pid_t pid = getppid(); pid > 0; pid = parent_of(pid)) {
        std::string process = fmt::format("/proc/{}", pid);
        std::string mounts = link_target(mounts_of(process).c_str());
        if (mounts.empty() || mounts == own) continue;
        if (callers.empty()) callers = mounts;
        if (mounts == callers) oldest = process; // it lives longest
    }
    return oldest;
}

void in_mounts_of(const std::string &process, std::string_view action, int (*fn)(const char *),
                  const std::string &arg) {
    std::string mounts = mounts_of(process);
    bool elsewhere = link_target(mounts.c_str()) != link_target("/proc/self/ns/mnt");
    pid_t child = fork();
    if (child < 0) throw Error(errno, action);
    if (child == 0) {
        Fd ns(open(mounts.c_str(), O_RDONLY | O_CLOEXEC));
        if (elsewhere && setns(ns.get(), CLONE_NEWNS) < 0) _exit(errno);
        _exit(fn(arg.c_str()));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    int error = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    if (error) throw Error(error, action, "run as root, or mount a bpffs there by hand");
}

Instant now() {
    timespec ts{};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

void sleep_until(Instant at) {
    timespec ts{at.count() / 1'000'000'000, at.count() % 1'000'000'000};
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, nullptr) == EINTR)
        continue;
}

} // namespace hitless
