// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/service_manager.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace hitless::cli {

// A manager that cannot be reached does not stop the work: results are ignored.

Service::Service() {
    uint64_t limit_us = 0;
    if (sd_watchdog_enabled(0, &limit_us) <= 0) return;
    // Half of the limit, as sd_watchdog_enabled(3) advises.
    auto half = std::chrono::microseconds(limit_us / 2);
    pulse_ = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(half),
                      std::chrono::milliseconds(1));
}

void Service::ready() const {
    sd_notify(0, "READY=1");
}

void Service::stopping() const {
    sd_notify(0, "STOPPING=1");
}

void Service::says(const std::string &status) const {
    sd_notify(0, fmt::format("STATUS={}", status).c_str());
}

void Service::alive() const {
    sd_notify(0, "WATCHDOG=1");
}

} // namespace hitless::cli
