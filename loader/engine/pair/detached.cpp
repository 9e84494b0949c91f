// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/detached.hpp"
#include "loader/core/error.hpp"
#include "loader/core/types.hpp"
#include "loader/kernel/fd.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

namespace hitless {
namespace {

std::string prefix() {
    return fmt::format("detached-{}-", netns_cookie());
}

std::string file_of(const StateDir &dir, const Link &standby) {
    std::string key = standby.bus.empty() ? std::to_string(number(standby.index)) : standby.bus;
    std::ranges::replace(key, '/', '_');
    return fmt::format("{}/{}{}", dir.root(), prefix(), key);
}

} // namespace

void note_detached(const StateDir &dir, const Link &standby) {
    std::string file = file_of(dir, standby);
    if (!Fd(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
        throw Error(errno, fmt::format("write {}", file),
                    "the pair is detached, and the controller will make it again");
}

void forget_detached(const StateDir &dir, const Link &standby) {
    unlink(file_of(dir, standby).c_str());
}

void forget_detached(const StateDir &dir) {
    for (const std::string &name : files_of_namespaces(dir))
        if (name.starts_with(prefix())) unlink((dir.root() + "/" + name).c_str());
}

bool is_detached(const StateDir &dir, const Link &standby) {
    return access(file_of(dir, standby).c_str(), F_OK) == 0;
}

std::vector<std::string> files_of_namespaces(const StateDir &dir) {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto &entry : std::filesystem::directory_iterator(dir.root(), none)) {
        std::string name = entry.path().filename();
        for (const char *of : {"detached-", "controller-", "control-"})
            if (name.starts_with(of)) out.push_back(name);
    }
    return out;
}

} // namespace hitless
