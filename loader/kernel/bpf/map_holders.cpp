// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/bpf/map_holders.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <unistd.h>

namespace hitless {
namespace {

/// Nothing of what is gone meanwhile.
std::vector<std::filesystem::path> entries(const std::filesystem::path &dir) {
    std::vector<std::filesystem::path> out;
    std::error_code gone;
    for (std::filesystem::directory_iterator at(dir, gone), end; !gone && at != end;
         at.increment(gone))
        out.push_back(at->path());
    return out;
}

bool is_of_map(const std::filesystem::path &fdinfo, const std::string &wanted) {
    std::ifstream info(fdinfo);
    for (std::string line; std::getline(info, line);)
        if (line == wanted) return true;
    return false;
}

} // namespace

std::vector<int> processes_with_map(uint32_t id) {
    const std::string wanted = fmt::format("map_id:\t{}", id);
    std::vector<int> out;
    for (const std::filesystem::path &process : entries("/proc")) {
        const int pid = atoi(process.filename().c_str());
        if (pid <= 0 || pid == getpid()) continue;
        if (std::ranges::any_of(entries(process / "fdinfo"),
                                [&](const auto &fd) { return is_of_map(fd, wanted); }))
            out.push_back(pid);
    }
    return out;
}

} // namespace hitless
