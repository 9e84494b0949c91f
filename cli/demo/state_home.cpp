// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/state_home.hpp"
#include "loader/core/error.hpp"
#include "testbed/netns.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hitless::cli::demo {
namespace {

constexpr auto variable = "HITLESS_STATE_DIR";
constexpr auto parent = "/run"; // only root makes names in it
constexpr std::string_view prefix = "hitless-demo-";

/// Failures are ignored: what is left is swept by the next demo.
void remove(const std::string &home) {
    std::error_code ignored;
    // A pair's private namespace is called as its pins are, and holds its NICs.
    for (const auto &pins : std::filesystem::directory_iterator(home + "/bpf", ignored)) {
        const std::string netns = "hitless-" + pins.path().filename().string();
        if (std::filesystem::exists("/run/netns/" + netns, ignored)) testbed::forget_netns(netns);
    }
    umount2((home + "/bpf").c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    std::filesystem::remove_all(home, ignored);
}

/// The pid in "hitless-demo-<pid>"; nothing for names that are not ours.
std::optional<pid_t> owner(std::string_view name) {
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
    return pid;
}

void sweep() {
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(parent, ignored)) {
        const std::optional<pid_t> pid = owner(entry.path().filename().string());
        if (pid && kill(*pid, 0) != 0 && errno == ESRCH) remove(entry.path());
    }
}

} // namespace

StateHome::StateHome() : path_(fmt::format("{}/{}{}", parent, prefix, getpid())) {
    sweep();
    if (mkdir(path_.c_str(), 0700) < 0) throw Error(errno, "create " + path_, "run as root");
    setenv(variable, path_.c_str(), 1);
}

StateHome::~StateHome() {
    unsetenv(variable);
    remove(path_);
}

} // namespace hitless::cli::demo
