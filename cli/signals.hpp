// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/fd.hpp"

#include <chrono>
#include <optional>

namespace hitless::cli {

/// SIGINT and SIGTERM as something to poll, while the object lives.
class Signals {
  public:
    Signals();
    ~Signals();
    Signals(const Signals &) = delete;
    Signals &operator=(const Signals &) = delete;

    int fd() const { return fd_.get(); }
    /// True as soon as a signal has come; false when the time is over.
    bool wait(std::chrono::milliseconds) const;
    /// Waits for a signal (true), or for `other` to be readable or the time to be over (false).
    bool wait_or(int other, std::optional<std::chrono::milliseconds> limit = {}) const;

  private:
    Fd fd_;
};

} // namespace hitless::cli
