// SPDX-License-Identifier: BSD-2-Clause
//
// hitless-selftest: the product on this kernel, in network namespaces. See README.md.
#include "selftests/needs.hpp"
#include "selftests/product.hpp"
#include "selftests/starvation.hpp"
#include "selftests/traffic.hpp"
#include "selftests/watchdog.hpp"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <unistd.h>

namespace {

constexpr auto rounds_left_variable = "HITLESS_SELFTEST_ROUNDS_LEFT";
constexpr auto rounds_left_at_first = "2";

struct Verdict {
    int code;
    std::string again; ///< tests that failed on a starved machine
};

Verdict run_all() {
    const hitless::selftest::PrivateState state;
    auto *starved = new hitless::selftest::StarvedTests; // gtest owns it
    auto &listeners = testing::UnitTest::GetInstance()->listeners();
    listeners.Append(starved);
    listeners.Append(new hitless::selftest::Watchdog); // as well
    const int code = RUN_ALL_TESTS();
    return {code, starved->failed_in_earnest() ? "" : starved->filter()};
}

} // namespace

int main(int argc, char **argv) {
    setvbuf(stdout, nullptr, _IOLBF, 0); // figures and gtest's lines in the order they happened
    testing::InitGoogleTest(&argc, argv);
    if (geteuid() != 0 && !testing::GTEST_FLAG(list_tests)) {
        fputs("hitless-selftest: needs root\n", stderr);
        return hitless::selftest::in_ci() ? 1 : 77;
    }
    const Verdict verdict = run_all();
    const char *given = getenv(rounds_left_variable);
    const int left = atoi(given ? given : rounds_left_at_first);
    if (verdict.code == 0 || verdict.again.empty() || left == 0) return verdict.code;

    printf("\nQueues were full while these failed; once more, with fewer frames: %s\n",
           verdict.again.c_str());
    setenv("HITLESS_SELFTEST_RATE", std::to_string(hitless::selftest::usual_rate() / 4).c_str(), 1);
    setenv(rounds_left_variable, std::to_string(left - 1).c_str(), 1);
    for (const char *name : {"HITLESS_STATE_DIR", "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"})
        unsetenv(name); // all of them, whoever runs the other shards
    const std::string filter = "--gtest_filter=" + verdict.again;
    execl("/proc/self/exe", argv[0], filter.c_str(), nullptr);
    perror("run once more");
    return 1;
}
