// SPDX-License-Identifier: BSD-2-Clause
//
// Programs of others ahead of ours that do not pass frames on, so that ours are not called; and
// programs behind ours, to which ours must leave the frames that they saw before.
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "selftests/programs.hpp"

#include "testbed/process.hpp"

#include <cerrno>
#include <cstring>
#include <linux/if_ether.h>

namespace hitless::selftest {
namespace {

constexpr std::uint16_t watched_port = 9998;

class Bypass : public PairTest {
  protected:
    void SetUp() override {
        HL_NEEDS_KERNEL(6, 6, "tcx");
        PairTest::SetUp();
    }
    void start() {
        pair().attach();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(ping(bed().guest(), Testbed::far4, 1s)); // a neighbour that can be asked
    }
    const Netns home() { return Netns::of_others(pair().home_of("primary")); }
    bool others_answer() {
        spawn({"ip", "-n", bed().guest().name(), "neigh", "flush", "dev", pair().master()});
        return ping(bed().guest(), Testbed::far4, 300ms);
    }
    /// `words` in what a command says, with its exit code.
    void expect_said(const std::vector<std::string> &command, int code, const std::string &words) {
        const Outcome o = pair().cli(command);
        EXPECT_EQ(o.code, code) << o.shown();
        EXPECT_NE(o.out.find(words), std::string::npos) << words << ": " << o.shown();
    }
    /// Frames to the watched port that arrive, of about 200.
    std::uint64_t arrive(const Netns &from, const Netns &to, const std::string &address) {
        Flow flow(from, to, {.to = address, .port = watched_port, .rate = 2000});
        flow.start();
        until([&] { return flow.mark() > 200; });
        flow.stop();
        until([] { return false; }, 50ms); // nothing to wait for: the hoped-for event is absence
        return flow.receiver().arrivals();
    }
};

// Nothing that comes in by the primary reaches the guest: the path is left, and what is in the way
// is named. When it goes the primary is taken back.
TEST_P(Bypass, AProgramThatEndsTheChainOnThePrimary) {
    start();
    const Fd program = tc_program(tcx_pass, 0, "their_pass");
    {
        const Netns where = home();
        const Fd link =
            attach_tcx(where, "primary", TcxSide::ingress, program.get(), TcxOrder::first);
        ASSERT_TRUE(link) << strerror(errno);
        ASSERT_EQ(tcx_programs(where, "primary", TcxSide::ingress).front(),
                  program_id(program.get()));
        // The first answer may come by the standby while the path is still being compared.
        EXPECT_TRUE(until([&] { return others_answer() && pair().active() == "standby"; }))
            << pair().cli({"status"}).out;
        for (int i = 0; i < 3; i++)
            EXPECT_TRUE(others_answer()) << i;
        expect_said({"status", "standby"}, 2, "their_pass");
        expect_said({"doctor"}, 2, "their_pass");
        EXPECT_NE(pair().cli({"explain", "standby"}).out.find("their_pass"), std::string::npos);
        EXPECT_EQ(pair().active(), "standby") << "it was trusted again";
    }
    EXPECT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// Where the standby is the guest's own device, what goes past ours reaches the guest: second
// copies, too. So it is named, and the path stays.
TEST_P(Bypass, AProgramThatEndsTheChainOnTheStandby) {
    if (pair().model_row().has_failover) GTEST_SKIP() << "there the guest uses another device";
    start();
    const Fd program = tc_program(tcx_pass, 0, "their_pass");
    {
        const Fd link =
            attach_tcx(bed().guest(), "standby", TcxSide::ingress, program.get(), TcxOrder::first);
        ASSERT_TRUE(link) << strerror(errno);
        for (int i = 0; i < 3; i++)
            EXPECT_TRUE(others_answer()) << i;
        expect_said({"status", "standby"}, 2, "their_pass");
        expect_said({"doctor"}, 2, "their_pass");
        pair().kill_controller();
        expect_said({"status", "standby"}, 2, "their_pass");
    }
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// Nothing that the guest sends comes by ours.
TEST_P(Bypass, AProgramThatEndsTheChainOnTheWayOut) {
    if (pair().model_row().nics == PairNetns::hidden) GTEST_SKIP() << "ours is behind the device";
    start();
    const Fd program = tc_program(tcx_pass, 0, "their_pass");
    {
        const Fd link = attach_tcx(bed().guest(), pair().master(), TcxSide::egress, program.get(),
                                   TcxOrder::first);
        ASSERT_TRUE(link) << strerror(errno);
        const auto before = pair().counter("tx_primary") + pair().counter("tx_standby");
        ping(bed().guest(), Testbed::far4, 100ms);
        ASSERT_EQ(pair().counter("tx_primary") + pair().counter("tx_standby"), before)
            << "the program does not end the chain";
        expect_said({"status", "standby"}, 2, "their_pass");
        expect_said({"doctor"}, 2, "their_pass");
        EXPECT_NE(pair().cli({"explain", "standby"}).out.find("their_pass"), std::string::npos);
        pair().kill_controller();
        expect_said({"status", "standby"}, 2, "their_pass");
    }
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// Of some frames only: seen while they flow.
TEST_P(Bypass, AProgramThatEndsTheChainForSomeFrames) {
    if (pair().model_row().has_failover) GTEST_SKIP() << "seen where the standby is the master";
    start();
    const Fd program = tc_program(tcx_pass, watched_port, "their_pass");
    const Fd link =
        attach_tcx(bed().guest(), "standby", TcxSide::egress, program.get(), TcxOrder::first);
    ASSERT_TRUE(link) << strerror(errno);
    expect_said({"status", "standby"}, 0, "healthy");
    Flow flow(bed().guest(), bed().far(),
              {.to = Testbed::far4, .port = watched_port, .rate = 2000});
    flow.start();
    ASSERT_TRUE(until([&] { return flow.mark() > 100; }));
    expect_said({"status", "standby"}, 2, "their_pass");
    flow.stop();
}

// Of one protocol alone: the others' frames come by ours.
TEST_P(Bypass, AProgramThatEndsTheChainForOneProtocol) {
    if (pair().model_row().has_failover) GTEST_SKIP() << "sockets of a NIC hear what ours leads on";
    start();
    pair().kill_controller(); // which leaves a path whose answers go astray
    const Netns where = home();
    for (const char *nic : {"primary", "standby"}) {
        if (nic == pair().master()) continue; // what goes past ours there reaches the guest
        const Netns there =
            std::string(nic) == "primary"
                ? home()
                : Netns::of_others(pair().private_netns().empty() ? bed().guest().name()
                                                                  : pair().private_netns());
        const Fd program = tc_program_for(ETH_P_IP, tcx_pass, "their_pass4");
        const Fd link = attach_tcx(there, nic, TcxSide::ingress, program.get(), TcxOrder::first);
        ASSERT_TRUE(link) << strerror(errno);
        expect_said({"status", "standby"}, 2, "their_pass4");
        expect_said({"status", "standby"}, 2, "for some frames");
    }
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// Ours knows by tc_index what the primary's program has judged already.
TEST_P(Bypass, AProgramThatOverwritesTheMarkOnTheStandby) {
    if (pair().model_row().has_failover) GTEST_SKIP() << "ours marks frames in the model two alone";
    start();
    const Fd program = tc_index_writer("their_index");
    for (bool controlled : {true, false}) {
        if (!controlled) pair().kill_controller();
        {
            const Fd link = attach_tcx(bed().guest(), "standby", TcxSide::ingress, program.get(),
                                       TcxOrder::first);
            ASSERT_TRUE(link) << strerror(errno);
            EXPECT_TRUE(until([&] {
                return pair().cli({"status", "standby"}).out.find("their_index") !=
                       std::string::npos;
            })) << pair().cli({"status", "standby"}).out;
            expect_said({"doctor"}, 2, "overwrites tc_index");
        }
        EXPECT_TRUE(until([&] { return pair().cli({"status", "standby"}).code == 0; }));
    }
    // One behind ours does no harm, and is not named.
    const Fd link = attach_tcx(bed().guest(), "standby", TcxSide::ingress, program.get());
    ASSERT_TRUE(link) << strerror(errno);
    expect_said({"status", "standby"}, 0, "healthy");
}

// What leaves by the primary passes other people's programs on its way out.
TEST_P(Bypass, AProgramThatDropsOnThePrimarysWayOut) {
    start();
    const Fd program = tc_program(tcx_drop, watched_port, "their_drop");
    const Fd link = attach_tcx(home(), "primary", TcxSide::egress, program.get());
    ASSERT_TRUE(link) << strerror(errno);
    expect_said({"status", "standby"}, 0, "healthy");
    Flow other(bed().guest(), bed().far(), {.to = Testbed::far4, .port = 9997, .rate = 2000});
    other.start();
    ASSERT_TRUE(until([&] { return other.mark() > 100; }));
    expect_said({"status", "standby"}, 0, "healthy");
    Flow flow(bed().guest(), bed().far(),
              {.to = Testbed::far4, .port = watched_port, .rate = 2000});
    flow.start();
    ASSERT_TRUE(until([&] { return flow.mark() > 100; }));
    EXPECT_EQ(flow.receiver().arrivals(), 0U) << "it drops nothing";
    EXPECT_TRUE(until([&] { // a look is a moment, in which the frames may wait for a CPU
        return pair().cli({"status", "standby"}).out.find("their_drop") != std::string::npos;
    }));
    flow.stop();
    expect_said({"status", "standby"}, 0, "healthy"); // in a moment in which none ends there
    other.stop();
}

// Nothing gets out by the primary, though the controller's own questions do.
TEST_P(Bypass, WhatLetsNothingOutByThePrimaryIsNamed) {
    start();
    expect_said({"status", "standby"}, 0, "healthy");
    const auto answers = [&] { return ping(bed().guest(), Testbed::far4, 300ms); };
    {
        const Fd program = tc_program(tcx_drop, 0, "their_wall");
        const Fd link = attach_tcx(home(), "primary", TcxSide::egress, program.get());
        ASSERT_TRUE(link) << strerror(errno);
        EXPECT_FALSE(answers());
        expect_said({"status", "standby"}, 2, "their_wall");
    }
    ASSERT_TRUE(until(answers));
    ASSERT_TRUE(until([&] { return pair().cli({"status", "standby"}).code == 0; }));
    const std::string ns = pair().home_of("primary");
    spawn({"tc", "-n", ns, "qdisc", "add", "dev", "primary", "root", "tbf", "rate", "8kbit",
           "burst", "30", "limit", "2000"}); // less than a frame
    EXPECT_FALSE(answers());
    expect_said({"status", "standby"}, 2, "qdisc tbf on primary");
    spawn({"tc", "-n", ns, "qdisc", "del", "dev", "primary", "root"});
    EXPECT_TRUE(until([&] { return pair().cli({"status", "standby"}).code == 0; }));
}

// One that passes frames on is nobody's problem, wherever it stands.
TEST_P(Bypass, AProgramThatPassesFramesOnIsNoProblem) {
    start();
    const Netns where = home();
    const Fd in = tc_program(tcx_next), out = tc_program(tcx_next);
    const Fd link_in = attach_tcx(where, "primary", TcxSide::ingress, in.get(), TcxOrder::first);
    const Fd link_out =
        attach_tcx(bed().guest(), pair().master(), TcxSide::egress, out.get(), TcxOrder::first);
    ASSERT_TRUE(link_in && link_out) << strerror(errno);
    EXPECT_TRUE(others_answer());
    const Outcome o = pair().cli({"status", "standby"});
    EXPECT_EQ(o.code, 0) << o.shown();
}

// What others attach behind ours sees what it saw, and the move costs no frame.
TEST_P(Bypass, OursMovesBehindAProgramThatComesLater) {
    start();
    const Fd witness_out = tc_program(tcx_drop, watched_port),
             witness_in = tc_program(tcx_drop, watched_port);
    ASSERT_GT(arrive(bed().guest(), bed().far(), Testbed::far4), 0U) << "nobody watches yet";
    ASSERT_GT(arrive(bed().far(), bed().guest(), Testbed::guest4), 0U) << "nobody watches yet";
    const Netns where = home();
    Traffic traffic(bed(), 5000);
    const Marks before = traffic.mark();
    const Fd out = attach_tcx(bed().guest(), pair().master(), TcxSide::egress, witness_out.get());
    const Fd in = attach_tcx(where, "primary", TcxSide::ingress, witness_in.get());
    ASSERT_TRUE(out && in) << strerror(errno);
    const auto ours_is_last = [&](const Netns &ns, const std::string &device, TcxSide side,
                                  int program) {
        return until(
            [&] {
                const auto ids = tcx_programs(ns, device, side);
                return ids.size() == 2 && ids.front() == program_id(program);
            },
            5s);
    };
    if (pair().model_row().nics == PairNetns::guest) {
        EXPECT_TRUE(
            ours_is_last(bed().guest(), pair().master(), TcxSide::egress, witness_out.get()));
    }
    EXPECT_TRUE(ours_is_last(where, "primary", TcxSide::ingress, witness_in.get()));
    ASSERT_TRUE(traffic.pass(2000));
    expect_nothing_lost("ours moves behind another", traffic.since(before));
    EXPECT_EQ(arrive(bed().guest(), bed().far(), Testbed::far4), 0U) << "passed the program unseen";
    EXPECT_EQ(arrive(bed().far(), bed().guest(), Testbed::guest4), 0U)
        << "passed the program unseen";
    EXPECT_EQ(pair().active(), "primary");
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(tcx_programs(bed().guest(), "primary", TcxSide::ingress).size(), 1U);
}

HL_INSTANTIATE_MODELS(Bypass);

} // namespace
} // namespace hitless::selftest
