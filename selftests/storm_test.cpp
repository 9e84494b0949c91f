// SPDX-License-Identifier: BSD-2-Clause
//
// More events than anybody can follow.
#include "selftests/figure.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/procfs.hpp"
#include "testbed/process.hpp"

#include <csignal>
#include <functional>

namespace hitless::selftest {
namespace {

class Storm : public PairTest {
  protected:
    /// From the end of a loss, the last of those that `before` made, to the primary's use: ms.
    double returns_after(const std::function<void()> &before) {
        before();
        set_up(bed().guest(), "primary", false);
        EXPECT_TRUE(pair().becomes("standby"));
        set_up(bed().guest(), "primary", true);
        const auto quiet = now_ns();
        EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
        return static_cast<double>(now_ns() - quiet) / 1e6;
    }
};

TEST_P(Storm, AThousandFlapsAreFewFlips) {
    constexpr unsigned losses = 1000;
    constexpr std::uint64_t half_period = 5'000'000, hold_down = 1'000'000'000,
                            longest = 30'000'000'000;
    unsigned done = 1;
    pair().attach({"--hold-down", "1000"});
    const pid_t pid = pair().start_controller().pid();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic traffic(bed());
    const double after_one = returns_after([] {});
    const auto files = open_files(pid);
    const auto memory = process_status(pid, "VmRSS");
    const auto flips = pair().status()["flips"].get<std::uint64_t>();
    const Marks from = traffic.mark();
    const auto start = now_ns();
    const double after_all = returns_after([&] {
        for (; done < losses; ++done) { // the last one is up to returns_after()
            const auto next = now_ns();
            if (next - start > longest) break; // a busy machine takes a tenth of a second for one
            set_up(bed().guest(), "primary", false);
            pace(next + half_period);
            set_up(bed().guest(), "primary", true);
            pace(next + 2 * half_period);
        }
    });
    const auto took = now_ns() - start;
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("flap storm", got);
    const auto turned = pair().status()["flips"].get<std::uint64_t>() - flips;
    fmt::print("  {} losses in {:.1f} s: {} flips; RSS {} -> {} kB\n", done,
               static_cast<double>(took) / 1e9, turned, memory, process_status(pid, "VmRSS"));
    figure("primary used after one loss, hold-down 1000 ms", after_one);
    figure("primary used after a thousand, hold-down 1000 ms", after_all);
    EXPECT_LE(turned / 2, took / hold_down + 1);
    EXPECT_LT(after_all, 2 * after_one) << "the storm is over, and is held against it";
    expect_lost_at_most("up", got.up, turned / 2 + 1);
    // What it learnt meanwhile may be a file; what it forgot to close would be hundreds.
    EXPECT_LE(open_files(pid), files + 4);
    EXPECT_LT(process_status(pid, "VmRSS"), memory + 512);
}

TEST_P(Storm, MoreLinkEventsThanTheSocketHolds) {
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic(bed(), 2000).pass(2000); // it has learnt by then whom to tell of a flip
    const auto files = open_files(pair().controller().pid());
    ip_batch(bed().guest().name(), "link add name noise type veth peer name noise2\n");
    pair().controller().signal(SIGSTOP);
    std::string lines;
    for (int i = 0; i < 6000; ++i)
        lines += fmt::format("link set dev noise mtu {}\n", 1400 + i % 2);
    ip_batch(bed().guest().name(), lines);
    bed().primary().remove();
    pair().controller().signal(SIGCONT);
    auto start = now_ns();
    EXPECT_TRUE(pair().controller_says("is gone")) << pair().controller().out();
    figure("resynchronised after lost link events", static_cast<double>(now_ns() - start) / 1e6);
    EXPECT_TRUE(pair().controller_says("link events were lost"))
        << "no overrun: nothing was proved";
    EXPECT_TRUE(pair().veto().contains("absent"));
    bed().primary().add();
    EXPECT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(until([&] { return open_files(pair().controller().pid()) <= files; }));
}

HL_INSTANTIATE(Storm);

} // namespace
} // namespace hitless::selftest
