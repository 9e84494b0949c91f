// SPDX-License-Identifier: BSD-2-Clause
//
// The typed view of a pair: one atomic word, and a log that many may write and one may read.
#include "maps/pair_view.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>

namespace hitless::test {
namespace {

class PairViewTest : public testing::Test {
  protected:
    std::unique_ptr<hl_pair> memory = std::make_unique<hl_pair>();
    PairView view{memory.get()};

    /// Flips back and forth `times` times at the times 1, 2, 3 ...
    void flip(unsigned times) {
        for (unsigned i = 1; i <= times; i++)
            if (i % 2)
                view.set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, i);
            else
                view.clear_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, i);
    }
};

TEST_F(PairViewTest, TheFirstReasonAndTheLastAreFlips) {
    EXPECT_EQ(view.set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, 10), 0u);
    EXPECT_EQ(view.set_veto(HL_VETO(MTU), HL_ACTOR_CONTROLLER, 20), HL_VETO(OPERATOR));
    EXPECT_EQ(view.clear_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, 30),
              HL_VETO(OPERATOR) | HL_VETO(MTU));
    EXPECT_EQ(view.veto(), HL_VETO(MTU));
    EXPECT_EQ(view.clear_veto(HL_VETO(MTU), HL_ACTOR_CONTROLLER, 40), HL_VETO(MTU));
    EXPECT_EQ(view.veto(), 0u);

    auto log = view.flips_since(0);
    ASSERT_EQ(log.size(), 2u);
    EXPECT_EQ(log[0].time_ns, 10u);
    EXPECT_EQ(log[0].veto_before, 0u);
    EXPECT_EQ(log[0].veto_after, HL_VETO(OPERATOR));
    EXPECT_EQ(log[0].actor, HL_ACTOR_OPERATOR);
    EXPECT_EQ(log[1].time_ns, 40u);
    EXPECT_EQ(log[1].veto_before, HL_VETO(MTU));
    EXPECT_EQ(log[1].veto_after, 0u);
    EXPECT_EQ(log[1].actor, HL_ACTOR_CONTROLLER);
}

TEST_F(PairViewTest, WhatChangesNothingIsNoFlip) {
    view.set_veto(0, HL_ACTOR_OPERATOR, 1);
    view.clear_veto(HL_VETO(MTU), HL_ACTOR_OPERATOR, 2);
    view.clear_veto(0, HL_ACTOR_OPERATOR, 3);
    EXPECT_EQ(view.flips(), 0u);
    view.set_veto(HL_VETO(MTU), HL_ACTOR_OPERATOR, 4);
    view.set_veto(HL_VETO(MTU), HL_ACTOR_OPERATOR, 5);
    view.clear_veto(HL_VETO(MAC), HL_ACTOR_OPERATOR, 6);
    EXPECT_EQ(view.flips(), 1u);
}

TEST_F(PairViewTest, TheLogIsReadFromWhereOneStopped) {
    flip(5);
    EXPECT_EQ(view.flips_since(3).size(), 2u);
    EXPECT_EQ(view.flips_since(3).front().seq, 4u);
    EXPECT_TRUE(view.flips_since(5).empty());
    EXPECT_TRUE(view.flips_since(99).empty()) << "a number from another life of the pair";
}

TEST_F(PairViewTest, AnOverrunLogHasTheLastOnes) {
    flip(3 * HL_FLIPS + 7);
    auto log = view.flips_since(2);
    ASSERT_EQ(log.size(), size_t{HL_FLIPS});
    EXPECT_EQ(log.front().seq, 2u * HL_FLIPS + 8);
    EXPECT_EQ(log.back().seq, 3u * HL_FLIPS + 7);
    for (size_t i = 1; i < log.size(); i++)
        EXPECT_EQ(log[i].seq, log[i - 1].seq + 1);
}

TEST_F(PairViewTest, EntriesBeingWrittenAreLeftOut) {
    flip(4);
    memory->flip[1].seq = 0;            // its writer was interrupted
    memory->flip[2].seq = HL_FLIPS + 3; // a writer has lapped us
    auto log = view.flips_since(0);
    ASSERT_EQ(log.size(), 2u);
    EXPECT_EQ(log[0].seq, 1u);
    EXPECT_EQ(log[1].seq, 4u);
}

/// Each writer owns one bit and toggles it until the reader has seen enough; no update may be lost,
/// no record be half another's.
TEST_F(PairViewTest, ManyWritersAndAReaderAgree) {
    constexpr unsigned writers = 4, enough = 1000;
    std::atomic<bool> done = false;
    std::atomic<uint64_t> left_zero = 0, reached_zero = 0;
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < writers; w++)
        threads.emplace_back([&, bit = 1ull << w] {
            while (!done) {
                if (view.set_veto(bit, HL_ACTOR_OPERATOR, bit) == 0) left_zero++;
                uint64_t before = view.clear_veto(bit, HL_ACTOR_OPERATOR, bit);
                EXPECT_TRUE(before & bit);
                if (before == bit) reached_zero++;
            }
        });
    uint64_t last = 0;
    for (unsigned read = 0; read < enough;)
        for (const hl_flip &flip : view.flips_since(last)) {
            EXPECT_GT(flip.seq, last);
            EXPECT_NE(flip.veto_before == 0, flip.veto_after == 0) << "torn: flip " << flip.seq;
            EXPECT_EQ(flip.veto_before | flip.veto_after, flip.time_ns)
                << "torn: flip " << flip.seq;
            last = flip.seq;
            read++;
        }
    done = true;
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(view.veto(), 0u);
    EXPECT_EQ(left_zero, reached_zero);
    EXPECT_EQ(view.flips(), left_zero + reached_zero);
}

TEST(Names, AreUniqueAndOfTheirBit) {
    uint64_t all = 0;
    for (const VetoReason &reason : veto_reasons) {
        EXPECT_EQ(all & reason.bit, 0u) << reason.name;
        EXPECT_FALSE(reason.name.empty());
        EXPECT_EQ(reason.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos);
        all |= reason.bit;
    }
    EXPECT_EQ(all & HL_VETO_SOFT, HL_VETO_SOFT);
    for (const auto &counter : counter_names)
        EXPECT_EQ(counter.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos)
            << "counters are keys of the JSON";
}

} // namespace
} // namespace hitless::test
