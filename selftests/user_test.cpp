// SPDX-License-Identifier: BSD-2-Clause
//
// What the user types, what it costs, and what the exit codes say.
#include "loader/kernel/events.hpp"
#include "selftests/figure.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/procfs.hpp"

#include <algorithm>
#include <filesystem>

namespace hitless::selftest {
namespace {

class User : public PairTest {};

TEST_P(User, ExitCodesTellTheTruth) {
    EXPECT_EQ(pair().cli({"status"}).code, 3);
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(pair().cli({"status"}).code, 0);
    EXPECT_EQ(pair().cli({"switch", "standby", "standby", "--wait"}).code, 0);
    EXPECT_EQ(pair().cli({"status"}).code, 0) << "what an operator chose is healthy";
    EXPECT_EQ(pair().cli({"switch", "standby", "auto", "--wait"}).code, 0);
    {
        Traffic traffic(bed(), 2000);
        pair().primary().admin(false);
        ASSERT_TRUE(traffic.pass(100));
    }
    const Outcome lost = pair().cli({"status"});
    EXPECT_EQ(lost.code, 2) << lost.shown();
    EXPECT_NE(lost.out.find("down-seen"), std::string::npos) << lost.shown();
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(pair().cli({"status"}).code, 3);
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 1);
    EXPECT_EQ(pair().cli({"attach"}).code, 64);
}

TEST_P(User, WhatIsRefusedChangesNothing) {
    const auto links = [&] { return run({"ip", "-n", bed().guest().name(), "-d", "link"}).out; };
    const std::string before = links();
    for (const std::vector<std::string> &wrong :
         std::vector<std::vector<std::string>>{{"attach", "nosuch"},
                                               {"attach", "lo"},
                                               {"attach", "standby", "--primary", "standby"},
                                               {"attach", "standby", "--primary", "nosuch"},
                                               {"attach", "standby", "--primary", "lo"},
                                               {"detach", "standby"},
                                               {"switch", "standby", "primary"}}) {
        const Outcome o = pair().cli(wrong);
        EXPECT_EQ(o.code, 1) << fmt::format("{}", fmt::join(wrong, " ")) << ": " << o.shown();
        EXPECT_NE(o.err.find(wrong[1]), std::string::npos) << o.shown();
    }
    pair().primary().mac("52:54:00:99:00:01");
    EXPECT_EQ(pair().cli({"attach", "standby", "--primary", "primary"}).code, 1)
        << "different MACs";
    pair().primary().mac(Testbed::mac);
    EXPECT_EQ(links(), before);
    EXPECT_EQ(pair().cli({"status"}).code, 3);
    pair().attach();
    EXPECT_EQ(pair().cli({"attach", "standby", "--primary", "mac"}).code, 1) << "twice";
    EXPECT_EQ(pair().cli({"attach", "primary", "--primary", "mac"}).code, 1) << "its primary";
    EXPECT_EQ(pair().active(), "primary");
}

// `ip netns exec` gives a private mount namespace with a fresh /sys.
TEST_P(User, IpNetnsExecWorks) {
    const auto inside = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(),
                         {"ip", "netns", "exec", bed().guest().name(), hitless_binary()});
        return run(arguments, {.without_env = {"HITLESS_STATE_DIR"}}); // where a user's would be
    };
    Outcome o = inside({"attach", "standby", "--primary", "mac"});
    ASSERT_EQ(o.code, 0) << o.shown();
    o = inside({"status"});
    EXPECT_EQ(o.code, 0) << o.shown();
    o = run({hitless_binary(), "-n", bed().guest().name(), "status"},
            {.without_env = {"HITLESS_STATE_DIR"}});
    EXPECT_EQ(o.code, 0) << "outside: " << o.shown();
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
    o = inside({"detach", "standby"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(inside({"status"}).code, 3);
}

/// The kernel waits for a grace period of RCU at each hook and each packet socket, and that is all
/// that attach waits for.
TEST_P(User, AttachWaitsForLittleAndLosesNothing) {
    constexpr std::uint64_t most_waits = 10;
    Traffic traffic(bed());
    std::vector<std::uint64_t> waits;
    const Marks from = traffic.mark();
    for (int i = 0; i < 5; ++i) {
        const auto start = now_ns();
        Process attach({hitless_binary(), "-n", bed().guest().name(), "attach", "standby",
                        "--primary", "mac", "--model", pair().model(), "--hold-down", "20"});
        ASSERT_EQ(attach.wait(), 0) << attach.err();
        figure("attach", static_cast<double>(now_ns() - start) / 1e6);
        waits.push_back(attach.waited());
        ASSERT_TRUE(traffic.pass(200));
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        ASSERT_TRUE(traffic.pass(200));
    }
    const Both got = traffic.since(from);
    traffic.report("5 x attach and detach", got);
    fmt::print("  waited {} times\n", fmt::join(waits, ", "));
    EXPECT_EQ(got.up.lost, 0U);
    // The switch learns anew when the primary goes down.
    EXPECT_LE(got.down.lost, 5 * traffic.unheard(got));
    EXPECT_LE(std::ranges::min(waits), most_waits); // others may keep a lock, or the disk, from it
}

TEST_P(User, AnIdleControllerCostsNothing) {
    pair().attach({"--hold-down", "20", "--probe-interval", "0"});
    const pid_t pid = pair().start_controller().pid();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic traffic(bed());
    // Its last words about what just happened are said once it sleeps.
    ASSERT_TRUE(until([&] {
        const auto count = process_status(pid, "voluntary_ctxt_switches");
        return traffic.pass(4000) && process_status(pid, "voluntary_ctxt_switches") == count;
    }));
    const auto wakes = process_status(pid, "voluntary_ctxt_switches");
    const auto files = open_files(pid);
    ASSERT_TRUE(traffic.pass(60'000)); // three seconds
    EXPECT_EQ(process_status(pid, "voluntary_ctxt_switches"), wakes);
    EXPECT_EQ(open_files(pid), files);
    const auto memory = process_status(pid, "VmRSS");
    fmt::print("  controller: {} kB RSS, {} files, 0 wake-ups in 3 s\n", memory, files);
    EXPECT_LT(memory, 8192U);
}

// A pair that could not be made leaves its stage for a moment; looking again because of that would
// try it again, 150 times a second.
TEST(DirectoryWatch, WhatIsMadeAndThrownAwayIsNoNews) {
    const std::filesystem::path dir = PrivateState::dir() + "/watched";
    std::filesystem::create_directories(dir);
    DirectoryWatch watch(dir);
    std::filesystem::create_directory(dir / "stage");
    std::filesystem::remove(dir / "stage");
    EXPECT_FALSE(watch.changed("stage"));
    std::filesystem::create_directory(dir / "stage");
    std::filesystem::rename(dir / "stage", dir / "1-2");
    EXPECT_TRUE(watch.changed("stage"));
    EXPECT_FALSE(watch.changed("stage")) << "told once";
    std::filesystem::remove_all(dir);
}

HL_INSTANTIATE(User);

} // namespace
} // namespace hitless::selftest
