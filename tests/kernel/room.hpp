// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace hitless::test {

/// A network namespace of the test's own, which vanishes with the next one.
class Room : public testing::Test {
  protected:
    void SetUp() override {
        if (unshare(CLONE_NEWNET) == 0) {
            rtnl_.emplace();
            return;
        }
        ASSERT_EQ(errno, EPERM);
        if (getenv("CI")) FAIL() << "needs root";
        GTEST_SKIP() << "needs root";
    }
    Rtnl &rtnl() { return *rtnl_; }

    /// What `command` prints.
    static std::string say(const std::string &command) {
        std::string out;
        FILE *pipe = popen(command.c_str(), "r");
        for (int c = 0; pipe && (c = fgetc(pipe)) != EOF;)
            out.push_back(static_cast<char>(c));
        EXPECT_EQ(pipe ? pclose(pipe) : -1, 0) << command << ": " << out;
        return out;
    }

  private:
    std::optional<Rtnl> rtnl_;
};

} // namespace hitless::test
