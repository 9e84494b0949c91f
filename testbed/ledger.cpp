// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/ledger.hpp"

#include "loader/core/error.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fmt/format.h>

namespace hitless::testbed {
namespace {

constexpr std::size_t bucket_count = 30'000; // 5 minutes
constexpr unsigned most_late = 127;          // of one number

} // namespace

Tally &Tally::operator+=(const Tally &other) {
    frames += other.frames;
    lost += other.lost;
    duplicated += other.duplicated;
    late += other.late;
    reordered += other.reordered;
    longest_gap_ns = std::max(longest_gap_ns, other.longest_gap_ns);
    longest_delay_ns = std::max(longest_delay_ns, other.longest_delay_ns);
    return *this;
}

Ledger::Ledger(std::size_t window)
    : window_(std::bit_ceil(std::max<std::size_t>(window, 1))),
      entries_(static_cast<Entry *>(std::calloc(window_, sizeof(Entry)))), buckets_(bucket_count) {
    if (!entries_) throw std::bad_alloc();
}

std::uint64_t Ledger::round_of(std::uint64_t seq) const {
    return seq / window_ + 1;
}

const Ledger::Entry *Ledger::find(std::uint64_t seq) const {
    const Entry &entry = entries_[seq % window_];
    return entry.round == static_cast<std::uint16_t>(round_of(seq)) ? &entry : nullptr;
}

void Ledger::record(std::uint64_t seq, std::uint64_t time_ns, std::uint64_t delay_ns) {
    ++arrivals_;
    Bucket &bucket = buckets_[time_ns / bucket_ns % bucket_count];
    if (bucket.number != time_ns / bucket_ns) bucket = {time_ns / bucket_ns, 0};
    ++bucket.arrivals;

    if (seq + window_ < seen_) {
        ++too_old_;
        return;
    }
    Entry &entry = entries_[seq % window_];
    const auto round = static_cast<std::uint16_t>(round_of(seq));
    if (entry.round == round) {
        if (entry.count < UINT8_MAX) ++entry.count;
        if (time_ns > entry.time_ns + late_ns && entry.late < most_late) ++entry.late;
        return;
    }
    const std::uint64_t delay_us = std::min<std::uint64_t>(delay_ns / 1000, UINT32_MAX);
    entry = {time_ns, static_cast<std::uint32_t>(delay_us), round, 1, seq < seen_, 0};
    seen_ = std::max(seen_, seq + 1);
}

Tally Ledger::tally(std::uint64_t from, std::uint64_t to) const {
    if (to < from) throw Error(EINVAL, fmt::format("tally frames {} to {}", from, to));
    if (std::max(seen_, to) - from > window_)
        throw Error(ERANGE, fmt::format("tally frames {} to {}", from, to),
                    fmt::format("only the latest {} are remembered", window_),
                    "tally more often or ask for a larger window");
    Tally result{.frames = to - from};
    std::vector<std::uint64_t> times;
    times.reserve(result.frames);
    for (std::uint64_t seq = from; seq < to; ++seq) {
        const Entry *entry = find(seq);
        if (entry == nullptr) {
            ++result.lost;
            continue;
        }
        result.duplicated += entry->count - 1u;
        result.late += entry->late;
        result.reordered += entry->reordered ? 1 : 0;
        result.longest_delay_ns =
            std::max<std::uint64_t>(result.longest_delay_ns, entry->delay_us * std::uint64_t{1000});
        times.push_back(entry->time_ns);
    }
    if (result.reordered != 0) std::sort(times.begin(), times.end());
    for (std::size_t i = 1; i < times.size(); ++i)
        result.longest_gap_ns =
            std::max(result.longest_gap_ns, times[i] > times[i - 1] ? times[i] - times[i - 1] : 0);
    return result;
}

std::vector<std::uint32_t> Ledger::timeline(std::uint64_t from_ns, std::uint64_t to_ns) const {
    std::vector<std::uint32_t> counts;
    for (std::uint64_t n = from_ns / bucket_ns; n < to_ns / bucket_ns; ++n) {
        const Bucket &bucket = buckets_[n % bucket_count];
        counts.push_back(bucket.number == n ? bucket.arrivals : 0);
    }
    return counts;
}

} // namespace hitless::testbed
