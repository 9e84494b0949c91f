// SPDX-License-Identifier: BSD-2-Clause
//
// Waiting, and the clock it is done by. This is the only file of the tree's tests and tools that
// may sleep: everybody else states what is being waited for, and by when.
//
//   if (!until([&] { return flow.receiver().seen() >= next; }, 200ms)) ...  // said no in time
//
// All times are nanoseconds of CLOCK_MONOTONIC, so a wall clock that jumps changes nothing.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>

namespace hitless::testbed {

inline std::uint64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
}

/// Sleeps until an absolute time; returns at once when it has passed. For pacing, not for hoping.
inline void pace(std::uint64_t deadline_ns) {
    const timespec t{static_cast<time_t>(deadline_ns / 1'000'000'000),
                     static_cast<long>(deadline_ns % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
    }
}

/// How long something may take that ought to happen at all. It says nothing about how soon: how
/// soon is a figure, and belongs to the machine (`scripts/bench times`).
inline constexpr std::chrono::milliseconds default_patience = std::chrono::seconds(30);

/// Polls `predicate` each millisecond; true as soon as it holds, false once `patience` is used up.
/// The predicate is always asked once more after the deadline: being descheduled is no answer.
template <class Predicate>
bool until(Predicate &&predicate, std::chrono::milliseconds patience = default_patience) {
    const std::uint64_t deadline =
        now_ns() + static_cast<std::uint64_t>(patience.count()) * 1'000'000;
    while (!predicate()) {
        if (now_ns() >= deadline) return predicate();
        pace(now_ns() + 1'000'000);
    }
    return true;
}

} // namespace hitless::testbed
