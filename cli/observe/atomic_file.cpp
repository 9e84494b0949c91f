// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/metrics.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>

namespace hitless::cli {

void write_atomically(const std::string &file, const std::string &text) {
    // The name that a crash leaves is the one that the next write takes.
    std::string fresh = file + ".new";
    std::string action = fmt::format("write {}", file);
    constexpr const char *way_out = "name a file in a directory that can be written";
    unlink(fresh.c_str());
    Fd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd) throw Error(errno, action, way_out);
    ssize_t written = write(fd.get(), text.data(), text.size());
    int failed = written < 0 ? errno : static_cast<size_t>(written) < text.size() ? ENOSPC : 0;
    if (!failed && rename(fresh.c_str(), file.c_str()) < 0) failed = errno;
    if (!failed) return;
    unlink(fresh.c_str());
    throw Error(failed, action, way_out);
}

} // namespace hitless::cli
