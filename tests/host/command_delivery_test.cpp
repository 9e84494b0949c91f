// SPDX-License-Identifier: BSD-2-Clause
//
// The downlink by the administrator's commands: those that work, fail, hang and lie.
#include "loader/host/delivery.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "testbed/until.hpp"

#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hitless::test {
namespace {

using namespace std::chrono_literals;

class CommandDeliveryTest : public testing::Test {
  protected:
    CommandDeliveryTest() {
        char name[] = "/tmp/hitless-exec-XXXXXX";
        dir_ = mkdtemp(name);
        spec_.name = "web1";
        spec_.standby = "tap1";
        spec_.primary = "vf1";
        spec_.move = {"sh", "-c", "echo $HITLESS_PATH > " + dir_ + "/path"};
        spec_.read = {"sh", "-c", "cat " + dir_ + "/path"};
        std::ofstream(dir_ + "/path") << "standby\n";
    }
    ~CommandDeliveryTest() override {
        std::system(("rm -r " + dir_).c_str()); // NOLINT
    }
    /// As the daemon waits for it. How often it woke up.
    unsigned wait(Delivery &delivery) {
        unsigned wakeups = 0;
        while (delivery.busy() && wakeups < 100) {
            pollfd one{delivery.fd(), POLLIN, 0};
            auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(*delivery.deadline() - now());
            poll(&one, 1, static_cast<int>(std::max<int64_t>(left.count() + 1, 0)));
            wakeups++;
            delivery.process(now());
        }
        return wakeups;
    }
    Delivery::State move(DataPath to) {
        std::unique_ptr<Delivery> delivery = deliver_by_commands(spec_);
        delivery->move(to, now());
        EXPECT_LE(wait(*delivery), 4u);
        return delivery->state();
    }

    std::string dir_;
    GuestSpec spec_;
};

TEST_F(CommandDeliveryTest, MovesAndReadsBack) {
    EXPECT_EQ(move(DataPath::primary), (Delivery::State{DataPath::primary, true, ""}));
    EXPECT_EQ(move(DataPath::standby), (Delivery::State{DataPath::standby, true, ""}));
    std::unique_ptr<Delivery> delivery = deliver_by_commands(spec_);
    delivery->look(now());
    wait(*delivery);
    EXPECT_EQ(delivery->state().path, DataPath::standby);
}

TEST_F(CommandDeliveryTest, KnowsTheGuest) {
    spec_.move = {"sh", "-c", "echo $HITLESS_GUEST $HITLESS_STANDBY $HITLESS_PRIMARY >&2; exit 3"};
    EXPECT_NE(move(DataPath::primary).problem.find("ended with code 3: web1 tap1 vf1"),
              std::string::npos);
}

TEST_F(CommandDeliveryTest, AFailureLeavesWhatIsReadBack) {
    spec_.move = {"false"};
    Delivery::State state = move(DataPath::primary);
    EXPECT_EQ(state.path, DataPath::standby);
    EXPECT_EQ(state.problem, "`false` ended with code 1");
    spec_.move = {"/no/such/command"};
    EXPECT_NE(move(DataPath::primary).problem.find("No such file"), std::string::npos);
}

TEST_F(CommandDeliveryTest, ALieIsFoundOut) {
    spec_.move = {"true"};
    Delivery::State state = move(DataPath::primary);
    EXPECT_EQ(state.path, DataPath::standby);
    EXPECT_NE(state.problem.find("says standby"), std::string::npos) << state.problem;
    spec_.read = {"echo", "elsewhere"};
    state = move(DataPath::primary);
    EXPECT_EQ(state.path, DataPath::unknown);
    EXPECT_NE(state.problem.find("printed 'elsewhere'"), std::string::npos) << state.problem;
}

/// With its children: the file that a child would write is not there.
TEST_F(CommandDeliveryTest, WhatHangsIsKilledWithAllThatItStarted) {
    spec_.command_limit = 200ms;
    spec_.move = {"sh", "-c", "sh -c 'echo $$ > " + dir_ + "/child; sleep 1000' & wait"};
    Delivery::State state = move(DataPath::primary);
    EXPECT_NE(state.problem.find("did not end in time"), std::string::npos) << state.problem;
    EXPECT_EQ(state.path, DataPath::standby);
    int child = 0;
    std::ifstream(dir_ + "/child") >> child;
    ASSERT_GT(child, 0);
    EXPECT_TRUE(testbed::until(
        [&] {
            std::ifstream stat(fmt::format("/proc/{}/stat", child));
            std::string pid, name, how;
            return !(stat >> pid >> name >> how) || how == "Z";
        },
        5s));
}

/// A process that cannot be reaped, as one that hangs in the kernel: another traces it and looks
/// away.
TEST_F(CommandDeliveryTest, WhatDoesNotEndIsNotWaitedFor) {
    spec_.command_limit = 200ms;
    spec_.move = {"sh", "-c", "echo $$ > " + dir_ + "/pid; exec sleep 1000"};
    std::unique_ptr<Delivery> delivery = deliver_by_commands(spec_);
    delivery->move(DataPath::primary, now());
    pid_t pid = 0;
    ASSERT_TRUE(testbed::until([&] { return bool(std::ifstream(dir_ + "/pid") >> pid); }));
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t tracer = fork();
    if (tracer == 0) {
        char done = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
        done = write(ready[1], &done, 1) == 1;
        while (done)
            pause();
        _exit(1);
    }
    char traced = 0;
    ASSERT_EQ(read(ready[0], &traced, 1), 1);
    ASSERT_TRUE(traced);
    for (unsigned i = 0; i < 3; i++) { // killed, and looked at again
        ASSERT_TRUE(testbed::until([&] { return now() >= *delivery->deadline(); }));
        delivery->process(now());
        EXPECT_TRUE(delivery->busy());
    }
    EXPECT_NE(delivery->state().problem.find("has not ended since"), std::string::npos);
    EXPECT_EQ(delivery->state().path, DataPath::unknown);
    kill(tracer, SIGKILL);
    waitpid(tracer, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    wait(*delivery);
    EXPECT_FALSE(delivery->busy());
    EXPECT_EQ(delivery->state().path, DataPath::standby);
}

TEST_F(CommandDeliveryTest, WhatIsInTheWayIsKnownBefore) {
    auto obstacle = [&] { return deliver_by_commands(spec_)->obstacle(); };
    EXPECT_EQ(obstacle(), "");
    spec_.read = {"echo", "nowhere"};
    EXPECT_NE(obstacle().find("printed 'nowhere'"), std::string::npos);
    spec_.move = {"no-such-command"};
    EXPECT_NE(obstacle().find("`no-such-command` cannot be run: No such file"), std::string::npos);
}

} // namespace
} // namespace hitless::test
