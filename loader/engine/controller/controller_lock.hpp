// SPDX-License-Identifier: BSD-2-Clause
//
// By this lock a network namespace has one controller at most, and others know who it is and
// whether it keeps what they make. Freed by the kernel with the process.
#pragma once

#include "loader/kernel/events.hpp"
#include "loader/kernel/state/state_dir.hpp"

#include <memory>

namespace hitless {

class ControllerLock {
  public:
    /// Throws AlreadyRunning when another process has it.
    explicit ControllerLock(const StateDir &);

  private:
    std::unique_ptr<OwnerLock> lock_;
};

} // namespace hitless
