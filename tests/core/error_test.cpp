// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"

#include <cerrno>
#include <gtest/gtest.h>

namespace hitless {
namespace {

/// What decides whether a lesser way is taken.
TEST(Error, OnlyWhatTheKernelLacksIsALack) {
    for (int lack : {EACCES, EINVAL, ENOENT, ESRCH, EOPNOTSUPP, 524})
        EXPECT_TRUE(is_lack(lack)) << lack;
    for (int other :
         {0, ENOMEM, EPERM, EAGAIN, EMFILE, ENFILE, ENOSPC, EEXIST, EBUSY, E2BIG, EINTR})
        EXPECT_FALSE(is_lack(other)) << other;
}

} // namespace
} // namespace hitless
