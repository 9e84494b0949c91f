// SPDX-License-Identifier: BSD-2-Clause
//
// Was the machine there for us? A thread like any other sleeps two milliseconds at a time and notes
// how late it wakes; and the kernel counts the frames that it dropped because the queue between two
// of its threads was full. A test that fails while such a thread waited long, or such frames were
// dropped, proves nothing about the product: windows pass, and milliseconds are seconds.
#pragma once

#include "proving/until.hpp"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <thread>

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

class LatenessWatch {
  public:
    LatenessWatch() : thread_([this](const std::stop_token &stop) { run(stop); }) {}
    /// The longest wait since this was last asked, in nanoseconds.
    std::uint64_t worst() { return worst_.exchange(0); }

  private:
    void run(const std::stop_token &stop) {
        while (!stop.stop_requested()) {
            const std::uint64_t due = proving::now_ns() + 2'000'000;
            proving::pace(due);
            const std::uint64_t late = proving::now_ns() - due;
            std::uint64_t before = worst_.load();
            while (late > before && !worst_.compare_exchange_weak(before, late)) {
            }
        }
    }

    std::atomic<std::uint64_t> worst_{0};
    std::jthread thread_;
};

/// Gathers the tests that failed while the machine was starved, to be run once more.
class StarvedTests : public testing::EmptyTestEventListener {
  public:
    static constexpr std::uint64_t limit_ns = 25'000'000; // half of the twins' window

    const std::string &filter() const { return filter_; } ///< for --gtest_filter; empty = none
    bool failed_in_earnest() const { return failed_in_earnest_; }

  private:
    void OnTestStart(const testing::TestInfo &) override {
        watch_.worst();
        drops_before_ = backlog_drops();
    }
    void OnTestEnd(const testing::TestInfo &test) override {
        const std::uint64_t late = watch_.worst();
        if (!test.result()->Failed()) return;
        const std::string name = std::string(test.test_suite_name()) + "." + test.name();
        const std::uint64_t dropped = backlog_drops() - drops_before_;
        printf("  a ready thread waited %.0f ms at worst; %llu frames found a CPU's backlog full\n",
               static_cast<double>(late) / 1e6, static_cast<unsigned long long>(dropped));
        if (late < limit_ns && dropped == 0)
            failed_in_earnest_ = true;
        else
            filter_ += (filter_.empty() ? "" : ":") + name;
    }

    LatenessWatch watch_;
    std::uint64_t drops_before_ = 0;
    std::string filter_;
    bool failed_in_earnest_ = false;
};

} // namespace hitless::selftest
