// SPDX-License-Identifier: BSD-2-Clause
//
// What the service manager is told, in the words of sd_notify(3). Outside of one every call is
// free.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace hitless::cli {

class Service {
  public:
    Service();
    void ready() const;
    void stopping() const;
    /// One line, shown by `systemctl status`.
    void says(const std::string &status) const;
    void alive() const;
    /// How often alive() must be called; none: no watchdog.
    std::optional<std::chrono::milliseconds> pulse() const { return pulse_; }

  private:
    std::optional<std::chrono::milliseconds> pulse_;
};

} // namespace hitless::cli
