// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netns/private_netns.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <linux/magic.h>
#include <memory>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace hitless {
namespace {

constexpr auto directory = "/run/netns";

std::string seen_from_here(const std::string &path) {
    return initial_root() + path;
}

/// As `ip netns add` does it: shared, so that removal reaches mount namespaces made meanwhile.
int share_directory() {
    if (mkdir(directory, 0755) < 0 && errno != EEXIST) return errno;
    while (mount("", directory, "none", MS_SHARED | MS_REC, nullptr) < 0)
        if (errno != EINVAL || mount(directory, directory, "none", MS_BIND | MS_REC, nullptr) < 0)
            return errno;
    return 0;
}

/// Runs in a child: its new namespace is left behind under the name.
int make(const char *path) {
    if (int error = share_directory()) return error;
    Fd file(open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (!file) return errno;
    int error = unshare(CLONE_NEWNET) < 0 ? errno : 0;
    if (!error && mount("/proc/self/ns/net", path, "none", MS_BIND, nullptr) < 0) error = errno;
    if (error) unlink(path);
    return error;
}

int unmake(const char *path) {
    umount2(path, MNT_DETACH); // a file that is no mount is a leftover, and goes all the same
    return unlink(path) < 0 && errno != ENOENT ? errno : 0;
}

void be_silent() {
    for (const char *whose : {"all", "default"})
        std::ofstream(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", whose)) << 1;
}

} // namespace

Fd own_netns() {
    Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) throw Error(errno, "open the own network namespace");
    return fd;
}

InNetns::InNetns(int netns_fd) : home_(own_netns()) {
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        throw Error(errno, "enter a pair's network namespace", "run as root");
}

InNetns::~InNetns() {
    if (setns(home_.get(), CLONE_NEWNET) < 0) std::abort();
}

PrivateNetns PrivateNetns::create(const std::string &name) {
    std::string path = fmt::format("{}/{}", directory, name);
    std::string action = fmt::format("make the network namespace {}", name);
    if (!sees_initial_mounts()) // it and the NICs in it would end with a unit's own mounts
        throw Error(
            EPERM, action, "the machine's own mounts are out of sight without CAP_SYS_PTRACE",
            "/usr/share/doc/hitless/examples/models.conf gives a systemd unit what it takes");
    in_initial_mounts(action, make, path);
    std::optional<PrivateNetns> made = open(name);
    if (!made) throw Error(ENOENT, action);
    InNetns there(made->fd());
    be_silent();
    return std::move(*made);
}

std::optional<PrivateNetns> PrivateNetns::open(const std::string &name) {
    std::string path = seen_from_here(fmt::format("{}/{}", directory, name));
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return std::nullopt;
    struct statfs fs {};
    if (!fd || fstatfs(fd.get(), &fs) < 0) {
        // Not what this moment lacks: the NICs in it would be taken for lost.
        int error = errno;
        std::string_view shortage = way_out_of_shortage(error);
        throw Error(error, fmt::format("open the network namespace {}", name),
                    shortage.empty() ? "run as root" : shortage);
    }
    if (fs.f_type != NSFS_MAGIC) return std::nullopt; // a file that lost its mount
    return PrivateNetns(std::move(fd));
}

void PrivateNetns::remove(const std::string &name) {
    std::string path = fmt::format("{}/{}", directory, name);
    in_initial_mounts(fmt::format("remove the network namespace {}", name), unmake, path);
}

std::vector<std::string> PrivateNetns::named(const std::string &prefix) {
    std::vector<std::string> out;
    std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir(seen_from_here(directory).c_str()), closedir);
    while (const dirent *entry = dir ? readdir(dir.get()) : nullptr)
        if (std::string_view(entry->d_name).starts_with(prefix)) out.emplace_back(entry->d_name);
    return out;
}

} // namespace hitless
