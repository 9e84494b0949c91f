// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/fd.hpp"

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <optional>

namespace hitless::cli {

/// SIGINT, SIGTERM and what else is wanted as something to poll, while the object lives.
class Signals {
  public:
    explicit Signals(std::initializer_list<int> more = {});
    ~Signals();
    Signals(const Signals &) = delete;
    Signals &operator=(const Signals &) = delete;

    int fd() const { return fd_.get(); }
    /// True as soon as a signal has come; false when the time is over.
    bool wait(std::chrono::milliseconds) const;
    /// Waits for a signal (true), or for `other` to be readable or the time to be over (false).
    bool wait_or(int other, std::optional<std::chrono::milliseconds> limit = {}) const;

    /// The next signal that has come, 0 when there is none.
    int take() const;

  private:
    sigset_t set_;
    Fd fd_;
};

} // namespace hitless::cli
