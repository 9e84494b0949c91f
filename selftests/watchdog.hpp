// SPDX-License-Identifier: BSD-2-Clause
//
// A test that hangs ends the program, and by its name: else whoever waits for all of them gives up
// hours later, and nobody knows which it was.
#pragma once

#include <csignal>
#include <cstdlib>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

namespace hitless::selftest {

class Watchdog : public testing::EmptyTestEventListener {
  public:
    Watchdog() {
        const char *given = getenv("HITLESS_SELFTEST_HANGS_AFTER");
        seconds_ = given ? static_cast<unsigned>(atoi(given)) : usual_seconds;
        signal(SIGALRM, end_program);
    }

  private:
    /// Many times what the longest needs on a machine that is busy and half as fast.
    static constexpr unsigned usual_seconds = 600;

    static void end_program(int) {
        static constexpr char said[] = "  the test above has hung: nothing after it is run\n";
        if (write(STDOUT_FILENO, said, sizeof(said) - 1) < 0) _exit(3);
        void *calls[64]; // for `addr2line -fpe`
        backtrace_symbols_fd(calls, backtrace(calls, std::size(calls)), STDOUT_FILENO);
        abort();
    }

    void OnTestStart(const testing::TestInfo &) override { alarm(seconds_); }
    void OnTestEnd(const testing::TestInfo &) override { alarm(0); }

    unsigned seconds_;
};

} // namespace hitless::selftest
