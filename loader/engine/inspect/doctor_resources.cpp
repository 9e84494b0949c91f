// SPDX-License-Identifier: BSD-2-Clause
//
// What a controller lives on: room for its state, descriptors, and its pins still where it put
// them.
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/inspect/findings.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string_view>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace hitless {
namespace {

namespace fs = std::filesystem;

// A controller's own file is a few bytes, but a full file system takes none.
constexpr uint64_t least_room = 4096;
// A pair takes some twenty, and the machine's other needs come and go.
constexpr uint64_t spare_descriptors = 64;

/// What exists of a path that is made when it is needed.
std::string existing(fs::path path) {
    std::error_code ignored;
    while (!fs::exists(path, ignored) && path.has_relative_path())
        path = path.parent_path();
    return path;
}

/// 'T' when it is stopped by a signal; proc(5).
bool is_stopped(int pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    size_t name_ends = line.rfind(") ");
    return name_ends != line.npos && line[name_ends + 2] == 'T';
}

void examine_own_limit(Findings &out) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * spare_descriptors)
        out.push_back(
            degraded("descriptors",
                     fmt::format("a controller started from here has {} only", limit.rlim_cur),
                     "ulimit -n 1024"));
}

void examine_descriptors(Findings &out, int pid) {
    rlimit limit{};
    std::error_code error;
    fs::directory_iterator open(fmt::format("/proc/{}/fd", pid), error);
    if (error || prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) < 0) return; // it has just ended
    auto used = static_cast<uint64_t>(std::distance(begin(open), end(open)));
    std::string detail = fmt::format("process {} uses {} of {}", pid, used, limit.rlim_cur);
    if (used + spare_descriptors <= limit.rlim_cur)
        return out.push_back(fine("descriptors", detail));
    uint64_t enough = 2 * (used + spare_descriptors);
    out.push_back(degraded("descriptors", detail + ": a further pair finds none",
                           fmt::format("prlimit --pid {} --nofile={}:{}", pid, enough,
                                       std::max<uint64_t>(enough, limit.rlim_max))));
}

} // namespace

void examine_room(Findings &out) {
    std::string dir = existing(StateDir().root());
    struct statvfs room {};
    if (statvfs(dir.c_str(), &room) < 0)
        return out.push_back(missing("state", fmt::format("{}: {}", dir, strerror(errno)),
                                     fmt::format("ls -ld {}", shell_quoted(dir))));
    if (room.f_flag & ST_RDONLY)
        return out.push_back(missing(
            "state", fmt::format("{} is read-only", dir),
            fmt::format("mount -o remount,rw $(findmnt -no TARGET -T {})", shell_quoted(dir))));
    // A file system without a limit of its own (ramfs) says 0 of 0.
    if ((room.f_blocks && room.f_bavail * room.f_frsize < least_room) ||
        (room.f_files && !room.f_favail))
        return out.push_back(
            missing("state", fmt::format("{} is full: no controller starts", dir),
                    fmt::format("make room: du -ax {} | sort -n | tail", shell_quoted(dir))));
    out.push_back(fine("state", fmt::format("{} can be written to", dir)));
}

void examine_controller(Findings &out, size_t pairs) {
    std::optional<int> pid = controller_pid();
    if (!pid) {
        examine_own_limit(out);
        if (pairs)
            out.push_back(degraded("controller", "none: a primary that is lost is not taken back",
                                   "hitless run"));
        else
            out.push_back(fine("controller", "none, and no pair to keep"));
        return;
    }
    if (is_stopped(*pid))
        out.push_back(degraded("controller",
                               fmt::format("process {} is stopped: a primary that is lost is not "
                                           "taken back",
                                           *pid),
                               fmt::format("kill -CONT {}", *pid)));
    else
        out.push_back(fine("controller", fmt::format("process {}", *pid)));
    examine_descriptors(out, *pid);
}

} // namespace hitless
