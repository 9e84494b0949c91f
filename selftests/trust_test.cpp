// SPDX-License-Identifier: BSD-2-Clause
//
// When a primary is trusted, when it is not, and what the trust costs.
#include "selftests/pair_test.hpp"
#include "selftests/procfs.hpp"

#include <atomic>
#include <fstream>
#include <thread>

namespace hitless::selftest {
namespace {

class Path : public PairTest {
  protected:
    void start(std::vector<std::string> options = {"--hold-down", "20"}) {
        pair().attach(std::move(options));
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    std::uint64_t flips() { return pair().status()["flips"].get<std::uint64_t>(); }

    /// CPU time of a process so far.
    static double cpu_ms(pid_t pid) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
        std::uint64_t ns = 0;
        file >> ns;
        return static_cast<double>(ns) / 1e6;
    }

    /// Three seconds in which nothing happens: what probing takes of a core, in %.
    double at_rest() {
        const auto frames = pair().primary().counters().tx;
        const auto own = pair().counter("tx_primary");
        const pid_t pid = pair().controller().pid();
        const double cpu = cpu_ms(pid);
        const auto wakes = process_status(pid, "voluntary_ctxt_switches");
        const auto start_ns = now_ns();
        pace(start_ns + 3'000'000'000);
        const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
        const auto sent = pair().primary().counters().tx - frames;
        const double share = (cpu_ms(pid) - cpu) / seconds / 10;
        fmt::print(
            "  at rest: {:.3f} % of a core, {:.1f} wake-ups and {:.1f} frames a second\n", share,
            static_cast<double>(process_status(pid, "voluntary_ctxt_switches") - wakes) / seconds,
            static_cast<double>(sent) / seconds);
        EXPECT_GE(sent, 8U) << "nothing was asked";
        // What the guest's kernel itself says is worth a question each.
        const auto said = static_cast<double>(pair().counter("tx_primary") - own);
        EXPECT_LE(static_cast<double>(sent), seconds / 0.3 + 2 + 2 * said);
        return share;
    }
};

/// The hot-add window: the device is there before the host has led its frames to it.
TEST_P(Path, IsNotUsedBeforeItWorks) {
    start();
    Traffic traffic(lab());
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    pair().primary().blackhole(Direction::both, true);
    Marks from = traffic.mark();
    pair().primary().carrier(true);
    ASSERT_TRUE(until([&] { return pair().veto() == std::set<std::string>{"unproven"}; }, 2s))
        << pair().cli({"status"}).out;
    ASSERT_TRUE(traffic.pass(20'000)); // a second
    EXPECT_EQ(pair().active(), "standby");
    Both got = traffic.since(from);
    traffic.report("carrier, but no path", got);
    expect_nothing_lost("carrier, but no path", got);
    from = traffic.mark();
    pair().primary().blackhole(Direction::both, false);
    ASSERT_TRUE(pair().becomes("primary", 10s)) << pair().cli({"status"}).out;
    ASSERT_TRUE(traffic.pass(1000));
    got = traffic.since(from);
    traffic.report("  the path opens", got);
    expect_nothing_lost("the path opens", got);
}

TEST_P(Path, WithRandomLossDoesNotOscillate) {
    start({"--hold-down", "200"});
    Traffic traffic(lab(), 2000);
    for (const unsigned percent : {1U, 5U, 10U, 30U}) {
        const auto before = flips();
        const Marks from = traffic.mark();
        pair().primary().lose(Direction::both, percent);
        ASSERT_TRUE(traffic.pass(8000)); // four seconds
        const Both got = traffic.since(from);
        const auto turned = flips() - before;
        traffic.report(fmt::format("{} % lost, {} flips", percent, turned), got);
        EXPECT_GT(got.up.lost + got.down.lost, 0U) << "nothing was lost";
        EXPECT_LE(turned, 4U);
        pair().primary().lose(Direction::both, 0);
        ASSERT_TRUE(pair().becomes("primary", 30s));
    }
}

/// First the control, then with every CPU busy; longer where a bench asks for it.
TEST_P(Path, IsNotDoubtedWhenTheMachineIsBusy) {
    const char *asked = getenv("HITLESS_SELFTEST_BUSY_S");
    const unsigned long seconds = asked ? std::strtoul(asked, nullptr, 10) : 8;
    constexpr unsigned rate = 2000;
    start();
    Traffic traffic(lab(), rate);
    std::atomic<std::uint64_t> work{0};
    for (const bool busy : {false, true}) {
        const auto before = flips();
        const auto questions = pair().primary().counters().tx - pair().counter("tx_primary");
        const Marks from = traffic.mark();
        {
            std::vector<std::jthread> burners;
            for (unsigned i = 0; busy && i < std::thread::hardware_concurrency(); ++i)
                burners.emplace_back([&](const std::stop_token &stop) {
                    while (!stop.stop_requested())
                        work.fetch_add(1, std::memory_order_relaxed);
                });
            for (unsigned i = 0; i < (busy ? seconds : seconds / 4); ++i)
                ASSERT_TRUE(traffic.pass(rate));
        }
        const Both got = traffic.since(from);
        const auto alarms = flips() - before;
        traffic.report(
            fmt::format("{}, {} frames each way, {} questions, {} false alarms",
                        busy ? "all CPUs busy" : "control", got.up.frames,
                        pair().primary().counters().tx - pair().counter("tx_primary") - questions,
                        alarms),
            got);
        EXPECT_EQ(alarms, 0U) << pair().controller().out();
    }
    EXPECT_GT(work, 1'000'000U);
}

TEST_P(Path, ProbingCostsNextToNothing) {
    start();
    { Traffic traffic(lab(), 2000); } // the guest has a neighbour to ask; then it listens
    const pid_t pid = pair().controller().pid();
    const auto quiet = [&] {
        const auto sent = pair().counter("tx_primary");
        pace(now_ns() + 200'000'000);
        return pair().counter("tx_primary") == sent;
    };
    expect_within("% of a core at rest", 0.1, [&]() -> std::optional<double> {
        EXPECT_TRUE(until(quiet, 5s));
        const double share = at_rest();
        return HasFailure() ? std::nullopt : std::optional(share);
    });
    Traffic traffic(lab(), 2000);
    const double busy_cpu = cpu_ms(pid);
    ASSERT_TRUE(traffic.pass(6000));
    fmt::print("  while the guest sends: {:.2f} % of a core\n", (cpu_ms(pid) - busy_cpu) / 3 / 10);
}

/// Behind a learning switch, the network goes on sending to where it last saw a silent guest.
TEST_P(Path, ASilentReceiverMissesNextToNothingOnCarrierLoss) {
    start();
    Flow down(lab().far(), lab().guest(),
              {.from = NetLab::far4, .to = NetLab::guest4, .rate = 20'000});
    down.start();
    ASSERT_TRUE(until([&] { return down.receiver().arrivals() > 5000; }, 5s));
    expect_within("ms missed", 10, [&]() -> std::optional<double> {
        const auto before = pair().counter("tx_primary");
        const auto from = down.mark();
        pair().primary().carrier(false);
        EXPECT_TRUE(pair().becomes("standby"));
        EXPECT_TRUE(until([&] { return down.receiver().seen() > from + 10'000; }, 5s));
        const Tally got = down.since(from);
        const double missed = static_cast<double>(got.lost) / 20;
        fmt::print("  {}: {:.1f} ms missed; the guest itself sent {} frames\n", text(got), missed,
                   pair().counter("tx_primary") - before);
        pair().primary().carrier(true);
        EXPECT_TRUE(pair().becomes("primary"));
        return HasFailure() ? std::nullopt : std::optional(missed);
    });
}

TEST_P(Path, TheStandbyIsKeptWhenToldTo) {
    start({"--hold-down", "20", "--reselect", "failure"});
    pair().primary().admin(false);
    ASSERT_TRUE(pair().becomes("standby"));
    pair().primary().admin(true);
    ASSERT_TRUE(until([&] { return pair().veto() == std::set<std::string>{"sticky"}; }, 3s))
        << pair().cli({"status"}).out;
    EXPECT_EQ(pair().active(), "standby");
    lab().standby().carrier(false);
    EXPECT_TRUE(pair().becomes("primary")) << "until it fails";
    lab().standby().carrier(true);
    EXPECT_EQ(pair().cli({"switch", "standby", "primary", "--wait"}).code, 0);
}

HL_INSTANTIATE_MODELS(Path);

TEST(TxHang, IsLeftLongBeforeTheDriversWatchdog) {
    Pair pair(NicKind::tap);
    pair.attach({"--hold-down", "20"});
    pair.start_controller();
    ASSERT_TRUE(pair.becomes("primary"));
    Traffic traffic(pair.lab());
    expect_within("ms of frames in the stopped queue", 50, [&]() -> std::optional<double> {
        const Marks from = traffic.mark();
        pair.primary().hang(true);
        EXPECT_TRUE(until([&] { return pair.veto().contains("tx-hang"); }, 5s))
            << pair.cli({"status"}).out;
        EXPECT_TRUE(traffic.pass(2000));
        const Both got = traffic.since(from);
        traffic.report("transmit queue stopped", got);
        EXPECT_GT(got.up.lost, 0U) << "nothing hung";
        pair.primary().hang(false);
        EXPECT_TRUE(pair.becomes("primary", 20s)) << pair.cli({"status"}).out;
        return HasFailure() ? std::nullopt : std::optional(static_cast<double>(got.up.lost) / 20);
    });
}

} // namespace
} // namespace hitless::selftest
