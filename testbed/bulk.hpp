// SPDX-License-Identifier: BSD-2-Clause
//
// A bulk TCP stream whose every byte is checked: shows that connections survive an event, how long
// they stalled, and how fast they run. A byte that is wrong (offloads lost, frames mixed up) is
// found at its offset.
//
//   Bulk bulk(bed.guest(), bed.far(), {.to = "10.77.0.1"});
//   ... the event ...
//   BulkReport r = bulk.finish();
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/netns.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace hitless::testbed {

struct BulkSpec {
    std::string from{}; ///< source address; empty = the kernel chooses
    std::string to{};   ///< IPv4 or IPv6 address of the sink
    std::uint16_t port = 7701;
    std::uint64_t bytes_per_s = 50'000'000; ///< the source's ceiling; 0 = as fast as it goes
};

struct BulkReport {
    std::uint64_t bytes = 0;            ///< arrived and right
    std::uint64_t longest_stall_ns = 0; ///< longest time without an arrival, the present included
    double bytes_per_s = 0;             ///< over the time from first to last arrival
    std::optional<std::uint64_t> wrong_at; ///< offset of the first wrong byte
    int error = 0; ///< errno that ended the connection; 0 = it lives or ended well
};

/// Accepts one connection and checks what arrives, in a thread of its own.
class BulkSink {
  public:
    explicit BulkSink(
        const BulkSpec &spec); ///< listens in the calling thread's netns; throws Error
    ~BulkSink();
    BulkSink(const BulkSink &) = delete;
    BulkSink &operator=(const BulkSink &) = delete;

    BulkReport report() const; ///< at any time
    bool ended() const { return ended_.load(std::memory_order_acquire); }

  private:
    void run();
    void drain(int connection);

    Fd listener_;
    Fd wake_;
    mutable std::mutex mutex_;
    BulkReport report_;
    std::uint64_t first_ns_ = 0;
    std::uint64_t last_ns_ = 0;
    std::atomic<bool> ended_{false};
    std::jthread thread_;
};

/// Connects and sends the pattern until stopped, in a thread of its own.
class BulkSource {
  public:
    explicit BulkSource(
        const BulkSpec &spec); ///< connects (5 s) in the calling thread's netns; throws Error
    ~BulkSource();
    BulkSource(const BulkSource &) = delete;
    BulkSource &operator=(const BulkSource &) = delete;

    void stop(); ///< ends the stream after what has been written; returns at once
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    int error() const { return error_.load(std::memory_order_relaxed); } ///< errno of a failed send

  private:
    void run(const std::stop_token &stop);

    BulkSpec spec_;
    Fd socket_;
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<int> error_{0};
    std::jthread thread_;
};

/// Both ends on one machine.
class Bulk {
  public:
    Bulk(const Netns &from, const Netns &to, const BulkSpec &spec);
    BulkReport report() const { return sink_.report(); }
    /// Stops the source, waits (5 s at most) for the rest to arrive. `error` is ETIMEDOUT if it
    /// did not, and the source's errno if it failed.
    BulkReport finish();

  private:
    BulkSink sink_;
    BulkSource source_;
};

} // namespace hitless::testbed
