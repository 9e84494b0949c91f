// SPDX-License-Identifier: BSD-2-Clause
//
// A time that a test measured by the way. It is printed, never judged: it is the machine's as much
// as ours. `scripts/bench times` names a file in $HITLESS_FIGURES, gathers there, and publishes.
#pragma once

#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

namespace hitless::selftest {

/// The name of the parameter that the test runs with: "veth", "tapRx"; "" when it has none.
inline std::string parameter() {
    const auto *test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string name = test ? test->name() : "";
    const auto slash = name.find('/');
    return slash == name.npos ? "" : name.substr(slash + 1);
}

inline void figure(const std::string &what, double value, const std::string &unit = "ms") {
    fmt::print("  {}: {:.2f} {}\n", what, value, unit);
    if (const char *file = getenv("HITLESS_FIGURES"))
        std::ofstream(file, std::ios::app)
            << fmt::format("{}\t{}\t{}\t{}\n", what, parameter(), unit, value);
}

} // namespace hitless::selftest
