// SPDX-License-Identifier: BSD-2-Clause
//
// What a process costs, from /proc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/types.h>

namespace hitless::selftest {

/// A number of /proc/PID/status: "VmRSS" (kB), "voluntary_ctxt_switches".
inline std::uint64_t process_status(pid_t pid, const std::string &key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1));
    return 0;
}

inline std::size_t open_files(pid_t pid) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto &entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
        ++count;
    return count;
}

} // namespace hitless::selftest
