// SPDX-License-Identifier: BSD-2-Clause
//
// Tests of the BPF programs by BPF_PROG_TEST_RUN, and of the few things it cannot show on veth
// pairs. Everything happens in network namespaces of this process; they vanish with it.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

namespace {

constexpr int skip_exit = 77; // SKIP_RETURN_CODE in CMakeLists.txt

} // namespace

int main(int argc, char **argv) {
    ::testing::InitGoogleTest(&argc, argv);
    if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "skipped: make a network namespace: %s; run as root\n", strerror(errno));
        return skip_exit;
    }
    return RUN_ALL_TESTS();
}
