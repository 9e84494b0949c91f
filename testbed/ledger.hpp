// SPDX-License-Identifier: BSD-2-Clause
//
// What arrived of a numbered flow, and what that says about the network between. Pure: it is fed
// (sequence number, time) and knows no clock, socket or thread, so that its verdicts can be tested.
//
//   Ledger ledger;
//   ledger.record(seq, now);
//   Tally t = ledger.tally(mark_before, mark_after);   // t.lost, t.duplicated, t.reordered, ...
//
// Memory is fixed at construction: 16 bytes for each number remembered (16 MiB by default) and 4
// for each 10 ms of timeline. Older numbers are forgotten, and asking for one throws Error(ERANGE).
// Not thread-safe: the Receiver locks around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace hitless::testbed {

/// What happened to the sequence numbers [from, to).
struct Tally {
    std::uint64_t frames = 0;     ///< numbers in the range, i.e. frames the sender sent
    std::uint64_t lost = 0;       ///< never arrived
    std::uint64_t duplicated = 0; ///< extra arrivals: a frame that came three times counts two
    std::uint64_t late = 0;       ///< of these: more than Ledger::late_ns after the first
    std::uint64_t reordered = 0;  ///< first arrived after a higher number had
    /// Longest time between one arrival and the next, among first arrivals of the range. Zero when
    /// fewer than two arrived: look at `lost` first.
    std::uint64_t longest_gap_ns = 0;
    std::uint64_t longest_delay_ns = 0; ///< slowest frame, send to arrival; same machine only

    bool hitless() const { return lost == 0 && duplicated == 0; }
    Tally &operator+=(const Tally &other); ///< sums; the longest of both
};

class Ledger {
  public:
    /// More than three minutes of 20,000 frames a second.
    static constexpr std::size_t default_window = std::size_t{1} << 22;
    static constexpr std::uint64_t bucket_ns = 10'000'000;
    /// For so long a pair knows the copy of a frame, and no network delays one for longer: whoever
    /// carries frames here did not get a CPU.
    static constexpr std::uint64_t late_ns = 50'000'000;

    /// `window`: how many of the latest sequence numbers are remembered, rounded up to a power
    /// of 2.
    explicit Ledger(std::size_t window = default_window);

    void record(std::uint64_t seq, std::uint64_t time_ns, std::uint64_t delay_ns = 0);

    /// One more than the highest number seen; 0 when nothing has arrived.
    std::uint64_t seen() const { return seen_; }
    std::uint64_t arrivals() const { return arrivals_; } ///< duplicates included
    std::uint64_t too_old() const { return too_old_; }   ///< arrived when already forgotten

    /// Throws Error(ERANGE) when `from` is no longer remembered, Error(EINVAL) when to < from.
    Tally tally(std::uint64_t from, std::uint64_t to) const;

    /// Arrivals in each 10 ms from `from_ns` to `to_ns` (both rounded down to a bucket), newest
    /// 5 minutes; forgotten and future buckets read 0.
    std::vector<std::uint32_t> timeline(std::uint64_t from_ns, std::uint64_t to_ns) const;

  private:
    struct Entry {
        std::uint64_t time_ns = 0;
        std::uint32_t delay_us = 0;
        std::uint16_t round = 0; ///< how often the window had wrapped, + 1; 0 = never used
        std::uint8_t count = 0;
        std::uint8_t reordered : 1 = 0;
        std::uint8_t late : 7 = 0;
    };
    struct Bucket {
        std::uint64_t number = 0;
        std::uint32_t arrivals = 0;
    };

    const Entry *find(std::uint64_t seq) const;
    std::uint64_t round_of(std::uint64_t seq) const;

    struct Free {
        void operator()(Entry *entries) const { std::free(entries); }
    };
    std::size_t window_;
    std::unique_ptr<Entry[], Free> entries_; // all zero: pages that nobody uses cost nothing
    std::vector<Bucket> buckets_;
    std::uint64_t seen_ = 0;
    std::uint64_t arrivals_ = 0;
    std::uint64_t too_old_ = 0;
};

} // namespace hitless::testbed
