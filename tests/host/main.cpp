// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <unistd.h>

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    if (geteuid() != 0 && !testing::GTEST_FLAG(list_tests)) {
        fputs("hitless_host_test: needs root\n", stderr);
        return getenv("CI") ? 1 : 77;
    }
    return RUN_ALL_TESTS();
}
