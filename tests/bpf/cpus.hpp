// SPDX-License-Identifier: BSD-2-Clause
//
// The same step at the same moment on two CPUs, over and over, for at most half a second: on a busy
// machine the two rarely run at once, and waiting longer would not change that.
//
//   if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
//   int rounds = on_two_cpus(1000, [&](int who, int round) { ... });
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <sched.h>
#include <thread>

namespace hitless::test {

inline bool two_cpus() {
    return std::thread::hardware_concurrency() >= 2;
}

/// Spins until both callers have arrived for the n-th time.
class Meet {
  public:
    void here() {
        int mine = ++arrived_;
        while (arrived_ < mine + mine % 2)
            sched_yield();
    }

  private:
    std::atomic<int> arrived_ = 0;
};

/// `step(who, round)` with who = 0 and 1 at once; `between(round)` alone after each round. Returns
/// how many rounds there were.
inline int on_two_cpus(int most, const std::function<void(int, int)> &step,
                       const std::function<void(int)> &between = {}) {
    using clock = std::chrono::steady_clock;
    const auto end = clock::now() + std::chrono::milliseconds(500);
    Meet meet;
    std::atomic<int> last = most;
    auto run = [&](int who) {
        cpu_set_t cpu;
        CPU_ZERO(&cpu);
        CPU_SET(who, &cpu);
        sched_setaffinity(0, sizeof(cpu), &cpu);
        for (int round = 0; round < last; round++) {
            meet.here();
            step(who, round);
            meet.here();
            if (who) continue; // to the next meeting, where it waits for what follows
            if (between) between(round);
            if (clock::now() > end)
                last = std::min(int(last), round + 2); // the other is a round ahead
        }
    };
    std::thread other(run, 1);
    std::thread(run, 0).join(); // a thread too, so that the caller is not left pinned
    other.join();
    return last;
}

} // namespace hitless::test
