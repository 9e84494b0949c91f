// SPDX-License-Identifier: BSD-2-Clause
//
// When a primary is trusted, when it is not, and what the trust costs.
#include "selftests/figure.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/procfs.hpp"
#include "testbed/process.hpp"

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
    std::uint64_t asked() { return pair().primary().counters().tx - pair().counter("tx_primary"); }

    /// Nothing happens but eight questions.
    void at_rest() {
        constexpr unsigned questions = 8, wakes_each = 3; // by its timer, and the answer; one more
        const pid_t pid = pair().controller().pid();
        const auto frames = asked(), own = pair().counter("tx_primary");
        const double cpu = cpu_ms(pid);
        const auto wakes = process_status(pid, "voluntary_ctxt_switches");
        const auto start_ns = now_ns();
        EXPECT_TRUE(until([&] { return asked() >= frames + questions; })) << "nothing is asked";
        const double seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
        const auto woken = process_status(pid, "voluntary_ctxt_switches") - wakes;
        const double share = (cpu_ms(pid) - cpu) / seconds / 10;
        const auto sent = asked() - frames;
        // What the guest's kernel itself says is worth a question each.
        const auto said = pair().counter("tx_primary") - own;
        fmt::print("  at rest: {} questions and {} wake-ups in {:.1f} s\n", sent, woken, seconds);
        figure("controller at rest, of a core", share, "%");
        EXPECT_LE(static_cast<double>(sent), seconds / 0.3 + 2 + static_cast<double>(said));
        EXPECT_LE(woken, wakes_each * (sent + said + 1));
    }
};

/// The hot-add window: the device is there before the host has led its frames to it.
TEST_P(Path, IsNotUsedBeforeItWorks) {
    start();
    Traffic traffic(bed());
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    pair().primary().blackhole(Direction::both, true);
    Marks from = traffic.mark();
    pair().primary().carrier(true);
    ASSERT_TRUE(until([&] { return pair().veto() == std::set<std::string>{"unproven"}; }))
        << pair().cli({"status"}).out;
    ASSERT_TRUE(traffic.pass(20'000)); // a second
    EXPECT_EQ(pair().active(), "standby");
    Both got = traffic.since(from);
    traffic.report("carrier, but no path", got);
    expect_nothing_lost("carrier, but no path", got);
    from = traffic.mark();
    pair().primary().blackhole(Direction::both, false);
    ASSERT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
    ASSERT_TRUE(traffic.pass(1000));
    got = traffic.since(from);
    traffic.report("  the path opens", got);
    expect_nothing_lost("the path opens", got);
}

TEST_P(Path, WithRandomLossDoesNotOscillate) {
    start({"--hold-down", "200"});
    Traffic traffic(bed(), 2000);
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
        ASSERT_TRUE(pair().becomes("primary"));
    }
}

/// First the control, then with every CPU busy; longer where a bench asks for it.
TEST_P(Path, IsNotDoubtedWhenTheMachineIsBusy) {
    const char *asked = getenv("HITLESS_SELFTEST_BUSY_S");
    const unsigned long seconds = asked ? std::strtoul(asked, nullptr, 10) : 8;
    constexpr unsigned rate = 2000;
    constexpr std::uint64_t waits_for_answers_ns = 14'000'000; // three questions, by default
    start();
    Traffic traffic(bed(), rate);
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
        // A path on which frames stand still for that long is no good path, whoever held them.
        const auto slowest = std::max(got.up.longest_delay_ns, got.down.longest_delay_ns);
        if (slowest < waits_for_answers_ns)
            EXPECT_EQ(alarms, 0U) << pair().controller().out();
        else
            fmt::print("  a frame was under way for {} ms\n", slowest / 1'000'000);
    }
    EXPECT_GT(work, 1'000'000U);
}

TEST_P(Path, ProbingCostsNextToNothing) {
    start();
    { Traffic traffic(bed(), 2000); } // the guest has a neighbour to ask; then it listens
    const pid_t pid = pair().controller().pid();
    const auto quiet = [&] {
        const auto sent = pair().counter("tx_primary");
        pace(now_ns() + 200'000'000);
        return pair().counter("tx_primary") == sent;
    };
    ASSERT_TRUE(until(quiet));
    at_rest();
    Traffic traffic(bed(), 2000);
    const double cpu = cpu_ms(pid);
    const auto start_ns = now_ns();
    ASSERT_TRUE(traffic.pass(6000));
    figure("controller while the guest sends, of a core",
           (cpu_ms(pid) - cpu) / static_cast<double>(now_ns() - start_ns) * 1e8, "%");
}

/// Nobody but us tells this network where the guest is: a static entry outlives its port's carrier,
/// the far end never asks, and the guest's IPv6 says nothing by itself.
void pin_the_guest(const Testbed &bed) {
    for (const std::vector<std::string> &command : std::vector<std::vector<std::string>>{
             {"ip", "netns", "exec", bed.guest().name(), "sysctl", "-qw",
              "net.ipv6.conf.all.disable_ipv6=1"},
             {"ip", "-n", bed.far().name(), "neigh", "replace", Testbed::guest4, "lladdr",
              Testbed::mac, "dev", "lan", "nud", "permanent"},
             {"bridge", "-n", bed.switch_ns().name(), "fdb", "replace", Testbed::mac, "dev",
              "sw-primary", "master", "static"}})
        testbed::spawn(command);
}

/// The control of the next: without a controller nobody tells, and nothing arrives.
TEST_P(Path, ANetworkThatIsNotToldDoesNotFollow) {
    start({"--hold-down", "20", "--probe-interval", "0"});
    pin_the_guest(bed());
    Flow down(bed().far(), bed().guest(),
              {.from = Testbed::far4, .to = Testbed::guest4, .rate = 20'000});
    down.start();
    ASSERT_TRUE(until([&] { return down.receiver().arrivals() > 5000; }));
    pair().kill_controller();
    pair().primary().admin(false);
    ASSERT_TRUE(pair().becomes("standby"));
    const auto arrived = down.receiver().arrivals();
    EXPECT_FALSE(until([&] { return down.receiver().arrivals() > arrived + 1000; },
                       std::chrono::milliseconds(500)));
}

/// Behind a learning switch, the network goes on sending to where it last saw a silent guest.
/// A tap that is set down leaves its switch's port as it was: nobody but the controller tells the
/// network, and no timer of the controller's does.
TEST_P(Path, ASilentReceiverIsFollowed) {
    start({"--hold-down", "20", "--probe-interval", "0"});
    pin_the_guest(bed());
    Flow down(bed().far(), bed().guest(),
              {.from = Testbed::far4, .to = Testbed::guest4, .rate = 20'000});
    down.start();
    ASSERT_TRUE(until([&] { return down.receiver().arrivals() > 5000; }));
    const auto from = down.mark();
    pair().primary().admin(false);
    ASSERT_TRUE(pair().becomes("standby"));
    // Those behind the lost ones arrive.
    const auto lost = down.mark();
    ASSERT_TRUE(until([&] { return down.receiver().seen() > lost + 10'000; }))
        << "the network sends to where the guest was";
    const Tally got = down.since(from);
    fmt::print("  {}\n", text(got));
    figure("missed by a silent receiver", static_cast<double>(got.lost) / 20);
    const auto settled = down.mark();
    EXPECT_TRUE(until([&] { return down.receiver().seen() > settled + 2000; }));
    EXPECT_EQ(down.since(settled).lost, 0U);
    pair().primary().admin(true);
    EXPECT_TRUE(pair().becomes("primary"));
}

TEST_P(Path, TheStandbyIsKeptWhenToldTo) {
    start({"--hold-down", "20", "--reselect", "failure"});
    pair().primary().admin(false);
    ASSERT_TRUE(pair().becomes("standby"));
    pair().primary().admin(true);
    ASSERT_TRUE(until([&] { return pair().veto() == std::set<std::string>{"sticky"}; }))
        << pair().cli({"status"}).out;
    EXPECT_EQ(pair().active(), "standby");
    bed().standby().carrier(false);
    EXPECT_TRUE(pair().becomes("primary")) << "until it fails";
    bed().standby().carrier(true);
    EXPECT_EQ(pair().cli({"switch", "standby", "primary", "--wait"}).code, 0);
}

HL_INSTANTIATE_MODELS(Path);

/// A driver's watchdog may come first in the bed (tx_timeout); here is none.
TEST(TxHang, IsLeftWhileTheGuestSends) {
    Pair pair(NicKind::tap);
    pair.attach({"--hold-down", "20", "--probe-rest", "60000"});
    pair.start_controller();
    ASSERT_TRUE(pair.becomes("primary"));
    Traffic traffic(pair.bed());
    const Marks from = traffic.mark();
    pair.primary().hang(true);
    EXPECT_TRUE(until([&] { return pair.veto().contains("tx-hang"); })) << pair.cli({"status"}).out;
    EXPECT_TRUE(traffic.pass(100));
    const Marks left = traffic.mark();
    EXPECT_TRUE(traffic.pass(2000));
    expect_nothing_lost("the stopped queue is left", traffic.since(left));
    const Both got = traffic.since(from);
    traffic.report("transmit queue stopped", got);
    EXPECT_GT(got.up.lost, 0U) << "nothing hung";
    figure("frames into a stopped queue", static_cast<double>(got.up.lost) / 20);
    pair.primary().hang(false);
    EXPECT_TRUE(pair.becomes("primary")) << pair.cli({"status"}).out;
}

} // namespace
} // namespace hitless::selftest
