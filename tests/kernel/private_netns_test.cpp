// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "loader/kernel/netns/private_netns.hpp"
#include "tests/kernel/room.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

namespace hitless {
namespace {

class PrivateNetnsTest : public test::Room {
  protected:
    ~PrivateNetnsTest() override { PrivateNetns::remove(name_); }
    const std::string name_ = fmt::format("hitless-test-{}", getpid());
};

/// Of the process, for as long as this lives.
class NoDescriptors {
  public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(Fd(open("/dev/null", O_RDONLY)).get());
        setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors &) = delete;
    NoDescriptors &operator=(const NoDescriptors &) = delete;

  private:
    rlimit before_{};
};

/// Only what is not there, or is no namespace any more, is nothing.
TEST_F(PrivateNetnsTest, WhatCannotBeOpenedIsNotTakenForGone) {
    EXPECT_FALSE(PrivateNetns::open(name_));
    PrivateNetns::create(name_);
    EXPECT_TRUE(PrivateNetns::open(name_));
    try {
        NoDescriptors here;
        PrivateNetns::open(name_);
        ADD_FAILURE() << "the NICs in it would be taken for lost";
    } catch (const Error &error) {
        EXPECT_EQ(error.code(), EMFILE) << error.what();
    }
}

} // namespace
} // namespace hitless
