// SPDX-License-Identifier: BSD-2-Clause
//
// More events than anybody can follow.
#include "proving/spawn.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/procfs.hpp"

#include <csignal>

namespace hitless::selftest {
namespace {

class Storm : public PairTest {
  protected:
    /// Returns to the primary that the flip log has seen so far.
    std::uint64_t returns() { return (pair().status()["flips"].get<std::uint64_t>() + 1) / 2; }
};

TEST_P(Storm, AHundredFlapsASecondForTenSeconds) {
    constexpr auto length = 10'000'000'000ULL, half_period = 5'000'000ULL,
                   hold_down = 200'000'000ULL;
    pair().attach({"--hold-down", "200"});
    const pid_t pid = pair().start_controller().pid();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic traffic(lab());
    const auto files = open_files(pid);
    const auto memory = process_status(pid, "VmRSS");
    const auto flips = pair().status()["flips"].get<std::uint64_t>();
    const Marks from = traffic.mark();
    const auto start = now_ns();
    unsigned losses = 0;
    while (now_ns() < start + length) {
        const auto next = now_ns();
        set_up(lab().guest(), "primary", false);
        ++losses;
        pace(next + half_period);
        set_up(lab().guest(), "primary", true);
        pace(next + 2 * half_period);
    }
    const auto quiet = now_ns();
    ASSERT_TRUE(pair().becomes("primary", 3s)) << pair().controller().out();
    const auto settled = now_ns() - quiet;
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("flap storm", got);
    const auto turned = pair().status()["flips"].get<std::uint64_t>() - flips;
    fmt::print("  {} losses in {:.1f} s: {} flips; primary {:.0f} ms after quiet (hold-down 200); "
               "RSS {} -> {} kB\n",
               losses, static_cast<double>(quiet - start) / 1e9, turned,
               static_cast<double>(settled) / 1e6, memory, process_status(pid, "VmRSS"));
    EXPECT_GT(losses, 500U) << "that was no storm";
    EXPECT_LE(turned / 2, (quiet - start) / hold_down + 1);
    EXPECT_LT(settled, hold_down + 100'000'000);
    expect_lost_at_most("up", got.up, turned / 2 + 1);
    EXPECT_EQ(open_files(pid), files);
    EXPECT_LT(process_status(pid, "VmRSS"), memory + 512);
}

TEST_P(Storm, MoreLinkEventsThanTheSocketHolds) {
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic(lab(), 2000).pass(2000); // it has learnt by then whom to tell of a flip
    const auto files = open_files(pair().controller().pid());
    ip_batch(lab().guest().name(), "link add name noise type veth peer name noise2\n");
    pair().controller().signal(SIGSTOP);
    std::string lines;
    for (int i = 0; i < 6000; ++i)
        lines += fmt::format("link set dev noise mtu {}\n", 1400 + i % 2);
    ip_batch(lab().guest().name(), lines);
    lab().primary().remove();
    pair().controller().signal(SIGCONT);
    auto start = now_ns();
    EXPECT_TRUE(pair().controller_says("is gone", 5s)) << pair().controller().out();
    fmt::print("  resynchronised after {:.0f} ms\n", static_cast<double>(now_ns() - start) / 1e6);
    EXPECT_TRUE(pair().controller_says("link events were lost"))
        << "no overrun: nothing was proved";
    EXPECT_TRUE(pair().veto().contains("absent"));
    lab().primary().add();
    EXPECT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(open_files(pair().controller().pid()), files);
}

HL_INSTANTIATE(Storm);

} // namespace
} // namespace hitless::selftest
