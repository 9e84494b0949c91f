// SPDX-License-Identifier: BSD-2-Clause
//
// The same step at the same moment on two CPUs, over and over.
//
//   if (!two_cpus()) GTEST_SKIP() << "needs two CPUs";
//   on_two_cpus(1000, [&](int who, int round) { ... });
#pragma once

#include <atomic>
#include <functional>
#include <sched.h>
#include <thread>

namespace hitless::test {

inline bool two_cpus() { return std::thread::hardware_concurrency() >= 2; }

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

/// `step(who, round)` with who = 0 and 1 at once; `between(round)` alone after each round.
inline void on_two_cpus(int rounds, const std::function<void(int, int)> &step,
                        const std::function<void(int)> &between = {}) {
    Meet meet;
    auto run = [&](int who) {
        cpu_set_t cpu;
        CPU_ZERO(&cpu);
        CPU_SET(who, &cpu);
        sched_setaffinity(0, sizeof(cpu), &cpu);
        for (int round = 0; round < rounds; round++) {
            meet.here();
            step(who, round);
            meet.here();
            if (who == 0 && between) between(round);
        }
    };
    std::thread other(run, 1);
    std::thread(run, 0).join(); // a thread too, so that the caller is not left pinned
    other.join();
}

} // namespace hitless::test
