// SPDX-License-Identifier: BSD-2-Clause
//
// The lock by which a network namespace has one controller.
#include "loader/kernel/events.hpp"

#include <atomic>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

namespace hitless {
namespace {

class OwnerLockTest : public testing::Test {
  protected:
    ~OwnerLockTest() override { unlink(path_.c_str()); }
    const std::string path_ = fmt::format("/tmp/hitless-owner-{}", getpid());
};

TEST_F(OwnerLockTest, OneHasItAndIsNamed) {
    EXPECT_FALSE(OwnerLock::holder(path_));
    {
        OwnerLock mine(path_);
        EXPECT_TRUE(mine.held());
        EXPECT_FALSE(OwnerLock(path_).held());
        EXPECT_EQ(OwnerLock::holder(path_), getpid());
    }
    EXPECT_FALSE(OwnerLock::holder(path_));
    std::ofstream(path_) << 4711; // of one that was killed
    EXPECT_FALSE(OwnerLock::holder(path_));
}

/// `status`, `doctor` and whoever else looks while a controller starts.
TEST_F(OwnerLockTest, WhoLooksDoesNotHaveIt) {
    std::atomic<bool> done = false;
    std::thread looking([&] {
        while (!done)
            OwnerLock::holder(path_);
    });
    int refused = 0;
    for (int i = 0; i < 3'000; i++)
        refused += !OwnerLock(path_).held();
    done = true;
    looking.join();
    EXPECT_EQ(refused, 0);
}

} // namespace
} // namespace hitless
