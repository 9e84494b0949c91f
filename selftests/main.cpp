// SPDX-License-Identifier: BSD-2-Clause
//
// hitless-selftest: the product on this kernel, in network namespaces. See README.md.
#include "selftests/needs.hpp"
#include "selftests/process.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <unistd.h>

int main(int argc, char **argv) {
    setvbuf(stdout, nullptr, _IOLBF, 0); // figures and gtest's lines in the order they happened
    testing::InitGoogleTest(&argc, argv);
    if (geteuid() != 0 && !testing::GTEST_FLAG(list_tests)) {
        fputs("hitless-selftest: needs root\n", stderr);
        return hitless::selftest::in_ci() ? 1 : 77;
    }
    const hitless::selftest::PrivateState state;
    return RUN_ALL_TESTS();
}
