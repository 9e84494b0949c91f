// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/ledger.hpp"
#include "testbed/pattern.hpp"
#include "testbed/raw.hpp"

#include "loader/core/error.hpp"

#include <gtest/gtest.h>

namespace hitless::testbed {
namespace {

constexpr std::uint64_t ms = 1'000'000;

TEST(Ledger, CountsAWholeRange) {
    Ledger ledger;
    for (std::uint64_t seq = 0; seq < 100; ++seq)
        ledger.record(seq, seq * ms, 5'000);
    const Tally t = ledger.tally(10, 90);
    EXPECT_EQ(t.frames, 80U);
    EXPECT_TRUE(t.hitless());
    EXPECT_EQ(t.reordered, 0U);
    EXPECT_EQ(t.longest_gap_ns, ms);
    EXPECT_EQ(t.longest_delay_ns, 5'000U);
    EXPECT_EQ(ledger.seen(), 100U);
}

TEST(Ledger, LossIsCountedInItsRangeOnly) {
    Ledger ledger;
    for (std::uint64_t seq = 0; seq < 100; ++seq)
        if (seq < 40 || seq >= 47) ledger.record(seq, seq * ms);
    EXPECT_EQ(ledger.tally(0, 100).lost, 7U);
    EXPECT_EQ(ledger.tally(0, 100).longest_gap_ns, 8 * ms);
    EXPECT_EQ(ledger.tally(0, 40).lost, 0U);
    EXPECT_EQ(ledger.tally(43, 60).lost, 4U);
    EXPECT_EQ(ledger.tally(0, 40).longest_gap_ns, ms);
}

TEST(Ledger, WhatWasSentAndHasNotArrivedIsLost) {
    Ledger ledger;
    ledger.record(0, 1);
    EXPECT_EQ(ledger.tally(0, 5).lost, 4U);
    EXPECT_EQ(ledger.tally(5, 9).lost, 4U);
    EXPECT_EQ(ledger.tally(5, 9).longest_gap_ns, 0U);
}

TEST(Ledger, DuplicatesAreExtraArrivalsNotReordering) {
    Ledger ledger;
    for (std::uint64_t seq : {0, 1, 1, 2, 0, 1})
        ledger.record(seq, ms);
    const Tally t = ledger.tally(0, 3);
    EXPECT_EQ(t.duplicated, 3U);
    EXPECT_EQ(t.lost, 0U);
    EXPECT_EQ(t.reordered, 0U);
    EXPECT_EQ(ledger.arrivals(), 6U);
}

TEST(Ledger, ACopyThatComesLongAfterTheFirstIsLate) {
    Ledger ledger;
    ledger.record(0, 1);
    ledger.record(0, 1 + Ledger::late_ns);
    EXPECT_EQ(ledger.tally(0, 1).late, 0U);
    ledger.record(0, 2 + Ledger::late_ns);
    EXPECT_EQ(ledger.tally(0, 1).duplicated, 2U);
    EXPECT_EQ(ledger.tally(0, 1).late, 1U);
    for (int i = 0; i < 1000; i++)
        ledger.record(0, 3 * Ledger::late_ns);
    EXPECT_EQ(ledger.tally(0, 1).duplicated, 254U);
    EXPECT_EQ(ledger.tally(0, 1).late, 127U) << "and no more are told apart";
}

TEST(Ledger, ReorderedIsWhatWasOvertaken) {
    Ledger ledger;
    std::uint64_t time = 0;
    for (std::uint64_t seq : {0, 3, 1, 2, 4})
        ledger.record(seq, time += ms);
    const Tally t = ledger.tally(0, 5);
    EXPECT_EQ(t.reordered, 2U);
    EXPECT_EQ(t.lost, 0U);
    EXPECT_EQ(t.longest_gap_ns, ms); // in order of arrival, not of number
}

TEST(Ledger, TheWindowForgetsAndSaysSo) {
    Ledger ledger(8);
    for (std::uint64_t seq = 0; seq < 20; ++seq)
        ledger.record(seq, seq);
    EXPECT_EQ(ledger.tally(12, 20).lost, 0U);
    EXPECT_THROW(ledger.tally(11, 20), Error);
    EXPECT_THROW(ledger.tally(11, 12), Error);
    EXPECT_THROW(ledger.tally(20, 19), Error);
    ledger.record(3, 99);
    EXPECT_EQ(ledger.too_old(), 1U);
    EXPECT_EQ(ledger.tally(12, 20).duplicated, 0U);
}

TEST(Ledger, AnOldLapIsNotMistakenForANewOne) {
    Ledger ledger(8);
    for (std::uint64_t seq = 0; seq < 8; ++seq)
        ledger.record(seq, seq);
    ledger.record(15, 20); // 8 to 14 were lost
    EXPECT_EQ(ledger.tally(8, 16).lost, 7U);
}

TEST(Ledger, TimelineCountsTenMilliseconds) {
    Ledger ledger;
    for (const std::uint64_t time : {100 * ms, 109 * ms, 110 * ms, 135 * ms})
        ledger.record(time, time);
    EXPECT_EQ(ledger.timeline(100 * ms, 150 * ms), (std::vector<std::uint32_t>{2, 1, 0, 1, 0}));
}

TEST(Ledger, TalliesAddUp) {
    Tally sum{.frames = 10, .lost = 1, .longest_gap_ns = 5};
    sum += Tally{.frames = 5, .duplicated = 2, .longest_gap_ns = 3};
    EXPECT_EQ(sum.frames, 15U);
    EXPECT_EQ(sum.duplicated, 2U);
    EXPECT_EQ(sum.longest_gap_ns, 5U);
    EXPECT_FALSE(sum.hitless());
}

TEST(Pattern, EveryWrongByteIsFoundWhereItIs) {
    std::vector<std::uint64_t> room;
    const std::uint8_t *start = pattern(13, 100, room);
    std::vector<std::uint8_t> got(start, start + 100);
    EXPECT_FALSE(first_wrong(13, got, room));
    EXPECT_TRUE(first_wrong(14, got, room));
    got[77] ^= 1;
    EXPECT_EQ(first_wrong(13, got, room), 77U);
}

TEST(Hex, ReadsWhatPeopleWrite) {
    EXPECT_EQ(from_hex("52:54:00 ff\n"), (std::vector<std::uint8_t>{0x52, 0x54, 0, 0xff}));
    EXPECT_EQ(to_hex(from_hex("0a0b")), "0a0b");
    EXPECT_THROW(from_hex("123"), Error);
    EXPECT_THROW(from_hex("zz"), Error);
}

} // namespace
} // namespace hitless::testbed
