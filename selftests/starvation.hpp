// SPDX-License-Identifier: BSD-2-Clause
//
// Frames are counted that were dropped because nobody came to take them in time: from a CPU's
// queue, or from the queue of a tap, whose cable is a thread. A test that lost frames meanwhile
// proves nothing about the product, and runs again, at a lower rate. No other lateness excuses
// anything: what a test expects does not depend on the machine.
#pragma once

#include "testbed/tap.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace hitless::selftest {

/// Frames that found a CPU's backlog full, since boot, on this whole machine: column 2 of
/// softnet_stat (net/core/net-procfs.c).
inline std::uint64_t backlog_drops() {
    std::ifstream table("/proc/net/softnet_stat");
    std::uint64_t sum = 0;
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string processed, dropped;
        fields >> processed >> dropped;
        sum += std::stoull(dropped, nullptr, 16);
    }
    return sum;
}

inline std::uint64_t untimely_drops() {
    return backlog_drops() + testbed::TapCable::overflowed();
}

/// Gathers the tests that failed while frames were dropped so, to be run once more.
class StarvedTests : public testing::EmptyTestEventListener {
  public:
    const std::string &filter() const { return filter_; } ///< for --gtest_filter; empty = none
    bool failed_in_earnest() const { return failed_in_earnest_; }

  private:
    void OnTestStart(const testing::TestInfo &) override { drops_before_ = untimely_drops(); }
    void OnTestEnd(const testing::TestInfo &test) override {
        if (!test.result()->Failed()) return;
        const std::string name = std::string(test.test_suite_name()) + "." + test.name();
        const std::uint64_t dropped = untimely_drops() - drops_before_;
        printf("  %llu frames found the queue of a CPU or of a tap full\n",
               static_cast<unsigned long long>(dropped));
        if (dropped == 0)
            failed_in_earnest_ = true;
        else
            filter_ += (filter_.empty() ? "" : ":") + name;
    }

    std::uint64_t drops_before_ = 0;
    std::string filter_;
    bool failed_in_earnest_ = false;
};

} // namespace hitless::selftest
