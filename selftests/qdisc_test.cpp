// SPDX-License-Identifier: BSD-2-Clause
//
// Other people's qdiscs on the devices of a pair, before it and after: filters at one half of the
// stack, filters that several devices share, and root qdiscs that shape. Each is respected, or
// named with a command that mends it, and that command is run here.
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"

#include <regex>

namespace hitless::selftest {
namespace {

constexpr std::uint16_t watched_port = 9999;
constexpr unsigned slow = 2000; // frames a second: less than any shaper here lets through
/// Drops what goes to the watched UDP port.
constexpr auto witness = "pref 77 bpf bytecode 4,40 0 0 36,21 0 1 9999,6 0 0 2,6 0 0 4294967295 da";

class Qdisc : public PairTest {
  protected:
    /// `tc -n GUEST ...`
    std::string tc(const std::string &what) {
        std::vector<std::string> command{"tc", "-n", guest()};
        // The bytecode is one word to tc.
        const auto quote = what.find("bytecode ");
        std::istringstream words(what.substr(0, quote));
        for (std::string word; words >> word;)
            command.push_back(word);
        if (quote != what.npos)
            command.insert(command.end(),
                           {"bytecode", what.substr(quote + 9, what.rfind(' ') - quote - 9),
                            what.substr(what.rfind(' ') + 1)});
        return spawn(command);
    }
    std::string guest() { return bed().guest().name(); }
    /// Ours among the filters of a device.
    bool has_own_filter(const std::string &dev) {
        return (tc("filter show dev " + dev + " ingress") +
                tc("filter show dev " + dev + " egress"))
                   .find("hl_") != std::string::npos;
    }
    /// As a user in the guest types a command that was printed.
    Outcome type(const std::string &command) {
        std::string line =
            std::regex_replace(command, std::regex("\\btc "), "tc -n " + guest() + " ");
        line = std::regex_replace(line, std::regex("\\bhitless (?=[a-z])"),
                                  hitless_binary() + " -n " + guest() + " ");
        return run({"sh", "-ec", line});
    }
    /// What stands between backquotes.
    static std::vector<std::string> commands(const std::string &text) {
        std::vector<std::string> out;
        for (auto from = text.find('`'); from != text.npos; from = text.find('`', from + 1)) {
            const auto to = text.find('`', from + 1);
            out.push_back(text.substr(from + 1, to - from - 1));
            from = to;
        }
        return out;
    }
    std::string problems() {
        std::string out;
        const Json status = pair().status();
        for (const Json &problem : status["problems"])
            out += problem.get<std::string>() + "\n";
        return out;
    }
    bool healthy() { return pair().cli({"status"}).code == 0; }
    /// Frames of about 200 that passed the witness.
    std::uint64_t unseen(bool inward) {
        const Netns &from = inward ? bed().far() : bed().guest();
        const Netns &to = inward ? bed().guest() : bed().far();
        Flow flow(
            from, to,
            {.to = inward ? Testbed::guest4 : Testbed::far4, .port = watched_port, .rate = slow});
        flow.start();
        until([&] { return flow.mark() > 200; });
        flow.stop();
        until([] { return false; }, 50ms); // nothing to wait for: the hoped-for event is absence
        return flow.receiver().arrivals();
    }
    void expect_a_good_path() {
        Traffic traffic(bed(), slow);
        const Marks from = traffic.mark();
        ASSERT_TRUE(traffic.pass(400));
        const Both got = traffic.since(from);
        expect_lost_at_most("up", got.up, 0);
        expect_lost_at_most("down", got.down, 0);
        EXPECT_EQ(got.up.duplicated, 0U);
        EXPECT_EQ(got.down.duplicated, 0U);
    }
};

TEST_P(Qdisc, IngressQdiscThatWasThereBefore) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    tc("qdisc add dev standby ingress");
    tc(std::string("filter add dev standby ingress ") + witness);
    ASSERT_EQ(unseen(true), 0U) << "the filter does not work";
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_FALSE(has_own_filter("standby")) << "it has no half for what is sent";
    expect_a_good_path();
    EXPECT_EQ(unseen(true), 0U);
    EXPECT_TRUE(healthy()) << problems();
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(unseen(true), 0U);
}

TEST_P(Qdisc, IngressQdiscMadeLater) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    tc("qdisc add dev standby ingress");
    tc(std::string("filter add dev standby ingress ") + witness);
    EXPECT_TRUE(healthy()) << problems();
    expect_a_good_path();
    EXPECT_EQ(unseen(true), 0U);
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    expect_a_good_path();
}

// Without tcx there is no place for a program that sees what the standby sends.
TEST_P(Qdisc, IngressQdiscWithoutTcx) {
    if (kernel_is_at_least(6, 6)) GTEST_SKIP() << "this kernel has tcx";
    tc("qdisc add dev standby ingress");
    const std::string before = tc("qdisc show") + pair().link("primary");
    const Outcome refused = pair().cli({"attach", "standby", "--primary", "mac"});
    ASSERT_EQ(refused.code, 1) << refused.shown();
    EXPECT_NE(refused.err.find("`ingress` qdisc"), std::string::npos) << refused.shown();
    EXPECT_EQ(tc("qdisc show") + pair().link("primary"), before);
    EXPECT_EQ(pair().cli({"status"}).code, 3);
    EXPECT_EQ(type(commands(refused.err).back()).code, 0) << refused.shown();
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    expect_a_good_path();
    EXPECT_TRUE(healthy()) << problems();
}

TEST_P(Qdisc, SharedBlockThatWasThereBefore) {
    tc("qdisc add dev standby egress_block 10 clsact");
    tc(std::string("filter add block 10 ") + witness);
    ASSERT_EQ(unseen(false), 0U) << "the filter does not work";
    const Outcome refused = pair().cli({"attach", "standby", "--primary", "mac"});
    ASSERT_EQ(refused.code, 1) << refused.shown();
    EXPECT_NE(refused.err.find("block 10"), std::string::npos) << refused.shown();
    EXPECT_EQ(unseen(false), 0U);
    ASSERT_EQ(type(commands(refused.err).back()).code, 0) << refused.shown();
    tc(std::string("filter add dev standby egress ") + witness);
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(unseen(false), 0U);
    expect_a_good_path();
}

TEST_P(Qdisc, SharedBlockMadeLater) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    tc("qdisc add dev standby egress_block 10 clsact");
    EXPECT_TRUE(healthy()) << "nobody misses anything: " << problems();
    tc(std::string("filter add block 10 ") + witness);
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    ASSERT_FALSE(commands(problems()).empty()) << problems();
    EXPECT_EQ(type(commands(problems()).back()).code, 0) << problems();
    EXPECT_TRUE(healthy()) << problems();
}

TEST_P(Qdisc, FilterOfThePriorityThatOursHas) {
    tc("qdisc add dev standby clsact");
    tc("filter add dev standby egress pref 65535 bpf bytecode 1,6 0 0 4294967295 da");
    const Outcome refused = pair().cli({"attach", "standby", "--primary", "mac"});
    EXPECT_EQ(refused.code, 1) << refused.shown();
    EXPECT_NE(refused.err.find("65535"), std::string::npos) << refused.shown();
    EXPECT_NE(type(commands(refused.err).back()).out.find("pref 65535"), std::string::npos);
    tc("filter del dev standby egress pref 65535");
    pair().attach();
}

/// Ours is a filter, because others have some; then somebody takes their qdisc away, and ours.
class Replaced : public Qdisc {
  protected:
    void attach_as_filter() {
        tc("qdisc add dev standby clsact");
        tc(std::string("filter add dev standby egress ") + witness);
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(has_own_filter("standby"));
    }
    void comes_back() {
        EXPECT_TRUE(until([&] { return healthy(); })) << problems();
        const auto before = pair().counter("tx_primary");
        expect_a_good_path();
        EXPECT_GE(pair().counter("tx_primary"), before + 400);
    }
};

TEST_P(Replaced, QdiscRemoved) {
    attach_as_filter();
    pair().start_controller();
    tc("qdisc del dev standby clsact");
    comes_back();
    EXPECT_TRUE(pair().controller_says("was taken off and runs again"));
}

TEST_P(Replaced, QdiscRemovedWithoutAController) {
    attach_as_filter();
    tc("qdisc del dev standby clsact");
    ASSERT_EQ(pair().cli({"status"}).code, 2);
    EXPECT_NE(problems().find("standby (egress)"), std::string::npos) << problems();
    const auto semicolon = problems().rfind("; ");
    ASSERT_NE(semicolon, std::string::npos) << problems();
    const Outcome o = type(problems().substr(semicolon + 2));
    EXPECT_EQ(o.code, 0) << o.shown();
    ASSERT_TRUE(pair().becomes("primary"));
    comes_back();
}

TEST_P(Replaced, QdiscReplacedByAnIngressOne) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    attach_as_filter();
    pair().start_controller();
    tc("qdisc del dev standby clsact");
    tc("qdisc add dev standby ingress");
    comes_back();
    EXPECT_FALSE(has_own_filter("standby"));
}

TEST_P(Replaced, FiltersFlushed) {
    attach_as_filter();
    pair().start_controller();
    tc("filter del dev standby egress");
    comes_back();
}

HL_INSTANTIATE(Qdisc);
HL_INSTANTIATE(Replaced);

/// A filter that is made on the master when the pair is there.
class Later : public Qdisc {};

TEST_P(Later, FilterIsObeyedWithoutAGap) {
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    tc("qdisc add dev " + pair().master() + " clsact"); // for which the kernel stops the device
    Traffic traffic(bed(), slow);
    const Marks from = traffic.mark();
    tc("filter add dev " + pair().master() + " egress " + witness);
    EXPECT_TRUE(until([&] { return unseen(false) == 0; }));
    ASSERT_TRUE(traffic.pass(400));
    expect_nothing_lost("a filter made later", traffic.since(from));
    EXPECT_TRUE(healthy()) << problems();
}

// On a standby that is not the master they would see nothing, or be dropped by the kernel.
TEST_P(Later, FiltersOnTheStandby) {
    if (pair().model() == "two") GTEST_SKIP() << "the standby is the master";
    tc("qdisc add dev standby ingress");
    tc(std::string("filter add dev standby ingress ") + witness);
    const Outcome o = pair().cli(
        {"attach", "standby", "--primary", "mac", "--model", pair().model(), "--hold-down", "20"});
    if (pair().model() == "three") {
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_TRUE(pair().becomes("primary"));
        EXPECT_EQ(pair().cli({"status"}).code, 2);
        EXPECT_NE(problems().find("filters of standby"), std::string::npos) << problems();
        EXPECT_EQ(type(commands(problems()).back()).code, 0) << problems();
        EXPECT_TRUE(healthy()) << problems();
        return;
    }
    ASSERT_EQ(o.code, 1) << o.shown();
    EXPECT_EQ(unseen(true), 0U) << "the filter is still there";
    ASSERT_EQ(type(commands(o.err).front()).code, 0) << o.shown();
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(healthy()) << problems();
}

HL_INSTANTIATE_MODELS(Later);

/// A root qdisc that shapes.
class Shaper : public Qdisc {
  protected:
    void shape(const std::string &dev) {
        tc("qdisc add dev " + dev + " root tbf rate 8mbit burst 32k limit 100k");
    }
    bool is_shaped(const std::string &dev) {
        return tc("qdisc show dev " + dev).find("qdisc tbf") != std::string::npos;
    }
    /// Frames that the shaper of a device has let through.
    std::uint64_t through(const std::string &dev) {
        const Json all = Json::parse(tc("-s -j qdisc show dev " + dev), nullptr, false);
        for (const Json &qdisc : all)
            if (qdisc["kind"] == "tbf") return qdisc["packets"];
        return 0;
    }
    /// Whether what the guest sends goes through it.
    bool acts(const std::string &dev) {
        const std::uint64_t before = through(dev);
        const auto count = lab_sends();
        return through(dev) >= before + count;
    }
    std::uint64_t lab_sends() {
        Traffic traffic(bed(), slow);
        const auto from = traffic.mark().up;
        EXPECT_TRUE(traffic.pass(200));
        return traffic.mark().up - from;
    }
    void expect_named(const std::string &dev) {
        EXPECT_FALSE(acts(dev)) << "so there is nothing to name";
        EXPECT_EQ(pair().cli({"status"}).code, 2);
        EXPECT_NE(problems().find("qdisc tbf of " + dev), std::string::npos) << problems();
        const Outcome doctor = pair().cli({"doctor"});
        EXPECT_NE(doctor.out.find("qdisc tbf of " + dev), std::string::npos) << doctor.shown();
    }
    bool runs_own_qdisc() { return pair().model_row().nics == PairNetns::hidden; }
};

TEST_P(Shaper, ThatWasThereBefore) {
    shape("standby");
    ASSERT_TRUE(acts("standby"));
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    if (runs_own_qdisc()) {
        EXPECT_TRUE(acts(pair().master()));
        EXPECT_TRUE(healthy()) << problems();
    } else {
        expect_named("standby");
    }
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(is_shaped("standby"));
}

TEST_P(Shaper, OnTheMaster) {
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(healthy()) << problems();
    shape(pair().master());
    if (runs_own_qdisc()) {
        EXPECT_TRUE(acts(pair().master()));
        EXPECT_TRUE(healthy()) << problems();
        return;
    }
    expect_named(pair().master());
    for (const std::string &command : commands(problems())) {
        if (!command.starts_with("hitless convert")) continue;
        const Outcome o = type(command);
        EXPECT_EQ(o.code, 0) << o.shown();
    }
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(healthy()) << problems();
    const std::string master = pair().master() == "standby" ? "standby" : pair().master();
    EXPECT_TRUE(acts(master));
}

TEST_P(Shaper, TheSameOnThePrimary) {
    if (runs_own_qdisc()) GTEST_SKIP() << "the failover device's own runs";
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    shape(pair().master());
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    shape("primary");
    EXPECT_TRUE(healthy()) << problems();
    EXPECT_TRUE(acts("primary"));
    // A NIC that leaves takes its qdisc along; nobody is told that all is well.
    tc("qdisc del dev primary root");
    EXPECT_EQ(pair().cli({"status"}).code, 2);
}

TEST_P(Shaper, WhileTheStandbyIsUsed) {
    if (runs_own_qdisc()) GTEST_SKIP() << "the failover device's own runs";
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    shape("standby");
    ASSERT_EQ(pair().cli({"switch", "standby", "standby"}).code, 0);
    EXPECT_TRUE(acts("standby"));
    EXPECT_TRUE(healthy()) << problems();
}

TEST_P(Shaper, QueuesAreNone) {
    tc("qdisc add dev standby root pfifo limit 500");
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(healthy()) << problems();
}

TEST_P(Shaper, ThatHasClasses) {
    tc("qdisc add dev standby root handle 1: htb default 1");
    tc("class add dev standby parent 1: classid 1:1 htb rate 8mbit");
    const Outcome o = pair().cli(
        {"attach", "standby", "--primary", "mac", "--model", pair().model(), "--hold-down", "20"});
    if (!runs_own_qdisc()) {
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_TRUE(pair().becomes("primary"));
        EXPECT_EQ(pair().cli({"status"}).code, 2);
        EXPECT_NE(problems().find("qdisc htb of standby"), std::string::npos) << problems();
        tc("qdisc add dev primary root handle 1: htb default 1");
        EXPECT_TRUE(healthy()) << problems();
        return;
    }
    ASSERT_EQ(o.code, 1) << o.shown();
    EXPECT_NE(o.err.find("htb"), std::string::npos) << o.shown();
    EXPECT_NE(tc("class show dev standby").find("htb 1:1"), std::string::npos);
    ASSERT_EQ(type(commands(o.err).front()).code, 0) << o.shown();
    pair().attach();
}

HL_INSTANTIATE_MODELS(Shaper);

} // namespace
} // namespace hitless::selftest
