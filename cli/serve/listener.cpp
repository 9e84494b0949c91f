// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/listener.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace hitless::cli {
namespace {

sockaddr_un address_of(const std::string &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path))
        throw Error(EINVAL, fmt::format("listen at '{}'", path), "it is no name of a socket",
                    fmt::format("use 1 to {} letters", sizeof(address.sun_path) - 1));
    memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Fd make_socket() {
    return Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Never anything but a socket that refuses; files of other kinds refuse, too.
void remove_stale(const std::string &path, const sockaddr *address, socklen_t size) {
    struct stat is {};
    if (lstat(path.c_str(), &is) < 0 || !S_ISSOCK(is.st_mode)) return;
    Fd probe = make_socket();
    if (connect(probe.get(), address, size) < 0 && errno == ECONNREFUSED) unlink(path.c_str());
}

void admit(const std::string &path, const std::string &group) {
    const struct group *found = getgrnam(group.c_str());
    if (!found)
        throw Error(ENOENT, fmt::format("let the group '{}' use {}", group, path),
                    "there is no such group", fmt::format("groupadd --system {}", group));
    std::string dir = path.substr(0, path.find_last_of('/') + 1) + ".";
    struct stat is {};
    // It may pass the directory, not list it; what others may is left as it was.
    bool done = chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) == 0 &&
                chmod(path.c_str(), 0660) == 0 && stat(dir.c_str(), &is) == 0;
    if (done && !(is.st_mode & S_IXOTH))
        done = chown(dir.c_str(), static_cast<uid_t>(-1), found->gr_gid) == 0 &&
               chmod(dir.c_str(), (is.st_mode & 07777) | S_IXGRP) == 0;
    if (!done) throw Error(errno, fmt::format("let the group '{}' use {}", group, path));
}

} // namespace

// Whoever sees the name can connect: it is given to a socket that listens already.
Fd listen_at(const std::string &path, const std::string &group) {
    const std::string stage = path + ".new";
    const sockaddr_un published = address_of(path), address = address_of(stage);
    const auto *generic = reinterpret_cast<const sockaddr *>(&address);
    Fd fd = make_socket();
    remove_stale(path, reinterpret_cast<const sockaddr *>(&published), sizeof(published));
    unlink(stage.c_str());
    mode_t before = umask(0177); // never open wider than it will be
    int bound = fd ? bind(fd.get(), generic, sizeof(address)) : -1;
    int error = errno;
    umask(before);
    if (bound < 0)
        throw Error(error, fmt::format("listen at {}", path),
                    "name a file in a directory that can be written");
    try {
        if (!group.empty()) admit(stage, group);
        if (listen(fd.get(), SOMAXCONN) < 0 ||
            renameat2(AT_FDCWD, stage.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0)
            throw Error(errno == EEXIST ? EADDRINUSE : errno, fmt::format("listen at {}", path),
                        "the name is in use; choose another");
    } catch (const Error &) {
        unlink(stage.c_str());
        throw;
    }
    return fd;
}

} // namespace hitless::cli
