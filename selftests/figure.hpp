// SPDX-License-Identifier: BSD-2-Clause
//
// A time that a test measured by the way. It is printed, never judged: it is the machine's as much
// as ours. `scripts/bench times` names a file in $HITLESS_FIGURES, gathers there, and publishes.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace hitless::selftest {

/// The name of the parameter that the test runs with: "veth", "tapRx"; "" when it has none.
inline std::string parameter() {
    const auto *test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string name = test ? test->name() : "";
    const auto slash = name.find('/');
    return slash == name.npos ? "" : name.substr(slash + 1);
}

/// Of the same thing, many times: median (least to worst).
inline void figures(const std::string &what, std::vector<double> values,
                    const std::string &unit = "ms") {
    if (values.empty()) return;
    std::ranges::sort(values);
    if (values.size() == 1)
        fmt::print("  {}: {:.2f} {}\n", what, values[0], unit);
    else
        fmt::print("  {}: {:.2f} ({:.2f} to {:.2f}) {}, {} times\n", what,
                   values[values.size() / 2], values.front(), values.back(), unit, values.size());
    if (const char *file = getenv("HITLESS_FIGURES"))
        for (std::ofstream out(file, std::ios::app); const double value : values)
            out << fmt::format("{}\t{}\t{}\t{}\n", what, parameter(), unit, value);
}

inline void figure(const std::string &what, double value, const std::string &unit = "ms") {
    figures(what, {value}, unit);
}

} // namespace hitless::selftest
