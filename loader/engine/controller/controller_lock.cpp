// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/controller/controller_lock.hpp"
#include "loader/api.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <fmt/format.h>

namespace hitless {
namespace {

std::string lock_path(const StateDir &dir) {
    return fmt::format("{}/controller-{}", dir.root(), netns_cookie());
}

/// In the lock: by it others know whether this controller keeps what they make.
std::string version_remark() {
    return fmt::format("abi-{}", HL_ABI_VERSION);
}

} // namespace

AlreadyRunning::AlreadyRunning(int owner_pid)
    : Error(EBUSY, "start the controller",
            owner_pid ? fmt::format("process {} is this network namespace's controller", owner_pid)
                      : "this network namespace has a controller that has not said who it is",
            owner_pid ? fmt::format("`kill {}` ends it without touching the pairs", owner_pid)
                      : "try again"),
      owner_(owner_pid) {}

std::optional<int> controller_pid() {
    return OwnerLock::holder(lock_path(StateDir()));
}

std::optional<int> foreign_controller_pid() {
    const std::string path = lock_path(StateDir());
    std::optional<int> pid = OwnerLock::holder(path);
    // One that has not yet said who it is is not judged.
    return pid.value_or(0) && OwnerLock::remark(path) != version_remark() ? pid : std::nullopt;
}

bool is_controlled() {
    return controller_pid() && !foreign_controller_pid();
}

ControllerLock::ControllerLock(const StateDir &dir) {
    const std::string path = lock_path(dir);
    // Somebody else may only be ending, or may just have begun and not yet said who it is.
    const Instant patience = now() + std::chrono::seconds(1);
    while (true) {
        lock_ = std::make_unique<OwnerLock>(path, version_remark());
        if (lock_->held()) return;
        std::optional<int> owner = OwnerLock::holder(path);
        if (owner.value_or(0) || now() >= patience) throw AlreadyRunning(owner.value_or(0));
        sleep_until(now() + std::chrono::milliseconds(1));
    }
}

} // namespace hitless
