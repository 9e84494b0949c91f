// SPDX-License-Identifier: BSD-2-Clause
//
// A pair of the version before is taken over in place (docs/adr/0011-upgrade-in-place.md). The
// older side is the frozen release of older/. Frames are numbered, and broadcasts among them: with
// an old program on one NIC and a new one on the other, a table of twins for each would let every
// copy through.
#include "selftests/pair_test.hpp"
#include "selftests/pins.hpp"
#include "selftests/steps.hpp"
#include "testbed/process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fmt/ranges.h>
#include <map>
#include <regex>

namespace hitless::selftest {
namespace {

constexpr unsigned cast_rate = 2'000;

/// $HITLESS_OLDER, else what the build made of older/.
std::string older_binary() {
    const char *given = getenv("HITLESS_OLDER");
    return given ? given : HITLESS_OLDER_BUILT;
}

enum class Place { tcx, clsact, dispatcher, alone };

struct Way {
    const char *name;
    Setting with;
    std::vector<std::string> attach;
    Place place = Place::tcx;
};

/// Numbered frames of every kind, both ways.
class Flows {
  public:
    explicit Flows(Testbed &bed)
        : traffic_(bed), up_(bed.guest(), bed.far(), spec(1)),
          down_(bed.far(), bed.guest(), spec(2)) {
        up_.start();
        down_.start();
        EXPECT_TRUE(
            until([&] { return up_.receiver().seen() > 100 && down_.receiver().seen() > 100; }));
        mark();
    }
    void mark() {
        from_ = traffic_.mark();
        up_from_ = up_.mark();
        down_from_ = down_.mark();
    }
    bool pass(unsigned frames) { return traffic_.pass(frames); }
    void expect_exactly_once(const std::string &event) {
        EXPECT_TRUE(pass(500)) << event;
        const Both got = traffic_.since(from_);
        traffic_.report(event, got);
        expect_nothing_lost(event, got);
        for (const auto &[way, flow, from] : {std::tuple("broadcasts up", &up_, up_from_),
                                              std::tuple("broadcasts down", &down_, down_from_)}) {
            const Tally t = flow->since(from, default_patience);
            EXPECT_GT(t.frames, 0U) << event << ", " << way;
            EXPECT_EQ(t.lost, 0U) << event << ", " << way;
            EXPECT_EQ(t.duplicated, 0U) << event << ", " << way;
        }
        mark();
    }

  private:
    static FlowSpec spec(std::uint32_t id) {
        return {.to = Testbed::broadcast4, .port = 7710, .rate = cast_rate, .id = id};
    }
    Traffic traffic_;
    Flow up_, down_;
    Marks from_;
    std::uint64_t up_from_ = 0, down_from_ = 0;
};

class Upgrade : public testing::TestWithParam<Way> {
  protected:
    void SetUp() override {
        ASSERT_TRUE(std::filesystem::exists(older_binary())) << older_binary();
        pair_ = std::make_unique<Pair>(way().with);
        if (is_xdp()) bed().finish_frames();
        if (way().place == Place::clsact) add_filter();
    }
    const Way &way() const { return GetParam(); }
    bool is_xdp() const { return way().place == Place::dispatcher || way().place == Place::alone; }
    Pair &pair() { return *pair_; }
    Testbed &bed() { return pair_->bed(); }

    std::vector<std::string> older_command(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {older_binary(), "-n", bed().guest().name()});
        return arguments;
    }
    Outcome older(const std::vector<std::string> &arguments) {
        return run(older_command(arguments));
    }
    std::vector<std::string> newer_command(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {hitless_binary(), "-n", bed().guest().name()});
        return arguments;
    }
    void attach_older() {
        std::vector<std::string> line{"attach", "standby", "--primary", "mac", "--hold-down", "20"};
        line.insert(line.end(), way().attach.begin(), way().attach.end());
        if (way().place == Place::alone) setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
        const Outcome o = older(line);
        unsetenv("LIBXDP_SKIP_DISPATCHER");
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_TRUE(until([&] { return older_status()["active"] == "primary"; }));
    }
    Json older_status() {
        const Json all = Json::parse(older({"status", "standby", "-j"}).out, nullptr, false);
        return all.is_object() && !all["pairs"].empty() ? all["pairs"][0] : Json();
    }
    /// A pair by XDP does not move addresses.
    void move_addresses() {
        if (!has_datapath_xdp()) return;
        const std::string ns = bed().guest().name();
        spawn({"ip", "-n", ns, "addr", "flush", "dev", "standby"});
        spawn({"ip", "-n", ns, "addr", "add", fmt::format("{}/24", Testbed::guest4), "broadcast",
               "+", "dev", "fo-standby"});
    }
    bool has_word(const char *word) const { return std::ranges::count(way().attach, word) != 0; }
    bool has_datapath_xdp() const { return has_word("xdp"); }
    /// For which ours goes to clsact.
    void add_filter() {
        const std::string ns = bed().guest().name();
        spawn({"tc", "-n", ns, "qdisc", "add", "dev", "standby", "clsact"});
        spawn({"tc", "-n", ns, "filter", "add", "dev", "standby", "egress", "pref", "77", "bpf",
               "bytecode", "1,6 0 0 4294967295", "direct-action"});
    }
    /// What a user of the guest could have set.
    std::string snapshot() {
        const std::string ns = bed().guest().name();
        EXPECT_TRUE(bed().addresses_ready("standby", default_patience));
        std::string all;
        for (const std::vector<std::string> &command : std::vector<std::vector<std::string>>{
                 {"ip", "-n", ns, "-d", "link"},
                 {"ip", "-n", ns, "addr"},
                 {"ip", "-n", ns, "route"},
                 {"ip", "netns", "exec", ns, "sysctl", "-a", "-r",
                  "conf.(standby|primary).(arp_ignore|addr_gen_mode)"}})
            all += run(command).out;
        // The kernel gives a device another one when it comes up or goes to another namespace.
        return std::regex_replace(all, std::regex(" qdisc [a-z_]+"), "");
    }
    bool upgrade_is_left() {
        return std::ranges::any_of(
            std::filesystem::directory_iterator(bpffs()), [](const auto &entry) {
                return entry.path().filename().string().starts_with("upgrade-");
            });
    }
    void expect_ours() {
        const Json status = pair().status();
        ASSERT_FALSE(status.is_null()) << pair().cli({"status"}).shown();
        EXPECT_EQ(status["active"], "primary");
        EXPECT_EQ(status["problems"], Json::array());
        EXPECT_FALSE(upgrade_is_left());
        const Outcome refused = older({"status"});
        EXPECT_EQ(refused.code, 1) << refused.shown();
        EXPECT_NE(refused.err.find("ABI 7"), std::string::npos) << refused.shown();
    }

    std::unique_ptr<Pair> pair_;
};

TEST_P(Upgrade, LosesNoFrameAndNoSetting) {
    const std::string before = snapshot();
    attach_older();
    move_addresses();
    const Outcome told = pair().cli({"status", "standby"});
    EXPECT_EQ(told.code, 1);
    EXPECT_NE(told.err.find("hitless upgrade"), std::string::npos) << told.shown();
    const Outcome could = pair().cli({"upgrade", "--check"});
    EXPECT_EQ(could.code, 0) << could.shown();
    EXPECT_EQ(could.out, "standby: can be taken over from ABI 6\n");
    Flows flows(bed());
    ASSERT_TRUE(flows.pass(500)); // the older one alone
    const Json older_said = older_status();
    const Ids older_ids = pinned_ids();

    flows.mark();
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(o.out, "standby: taken over from ABI 6\n");
    EXPECT_EQ(o.err, "");
    ASSERT_TRUE(flows.pass(1000));
    flows.expect_exactly_once("upgrade");
    expect_ours();
    EXPECT_TRUE(until([&] {
        return gone({older_ids.programs, {}, {}});
    })) << "an older one still runs";
    const Json ours = pair().status();
    for (const char *name : {"tx_primary", "rx_primary", "drop_twin"})
        EXPECT_GE(ours["counters"][name], older_said["counters"][name]) << name;
    EXPECT_GT(ours["counters"]["tx_primary"], older_said["counters"]["tx_primary"]);
    for (const char *name : {"flips", "selector", "model", "datapath", "liveness"})
        EXPECT_EQ(ours[name], older_said[name]) << name;
    EXPECT_EQ(pair().cli({"upgrade"}).out, "") << "there is nothing left to do";

    for (const char *path : {"standby", "auto"})
        ASSERT_EQ(pair().cli({"switch", "standby", path}).code, 0);
    flows.expect_exactly_once("two switches afterwards");
    if (has_datapath_xdp()) return; // its addresses were moved by hand
    const Outcome detached = pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.shown();
    EXPECT_EQ(detached.err, "");
    EXPECT_EQ(snapshot(), before);
}

TEST_P(Upgrade, DetachGivesBackWhatTheOlderOneSaved) {
    if (has_datapath_xdp()) GTEST_SKIP() << "its addresses are moved by hand";
    const std::string before = snapshot();
    attach_older();
    const Outcome detached = pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.shown();
    EXPECT_EQ(detached.err, "");
    EXPECT_EQ(snapshot(), before);
}

class UpgradeDies : public Upgrade {
  protected:
    /// Whoever next holds the lock finishes it or undoes it, and takes the pair over: by hand or by
    /// a controller that starts.
    void go_on(unsigned n, Flows &flows) {
        const Outcome o = pair().cli(n % 2 ? std::vector<std::string>{"upgrade"}
                                           : std::vector<std::string>{"run", "--once"});
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_TRUE(flows.pass(200));
        expect_ours();
    }
    /// For the next round.
    void back_to_the_older() {
        const Outcome o = pair().cli({"detach", "standby"});
        ASSERT_EQ(o.code, 0) << o.shown();
        attach_older();
    }
};

TEST_P(UpgradeDies, AtEachStep) {
    attach_older();
    Flows flows(bed());
    std::map<std::string, unsigned> died;
    for (unsigned n = 1;; n++) {
        flows.mark();
        const std::string step = die_before(newer_command({"upgrade"}), "upgrade-", n);
        if (step.empty()) break;
        died[step]++;
        ASSERT_TRUE(flows.pass(200));
        SCOPED_TRACE(fmt::format("step {}, {}", n, step));
        ASSERT_NO_FATAL_FAILURE(go_on(n, flows));
        flows.expect_exactly_once(fmt::format("killed before step {}, {}", n, step));
        if (HasFailure()) return;
        ASSERT_NO_FATAL_FAILURE(back_to_the_older());
    }
    flows.expect_exactly_once("not killed");
    expect_ours();
    EXPECT_GT(died["pin"], 10U);
    EXPECT_EQ(died["mkdir"], 1U);
    EXPECT_EQ(died["rename"], 1U);
    if (way().place == Place::tcx) {
        EXPECT_EQ(died["link update"], 3U);
    }
    fmt::print("  died before {}\n", fmt::join(died, ", "));
}

/// A controller of the older version still lives. It is told by what it checks before each change.
TEST_P(UpgradeDies, AnOlderControllerIsFenced) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    Flows flows(bed());
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    const std::string pid = std::to_string(controller.pid());
    EXPECT_NE(o.err.find("process " + pid + " is a controller of another version"),
              std::string::npos)
        << o.shown();
    EXPECT_TRUE(until([&] {
        return (controller.out() + controller.err()).find("ABI 7") != std::string::npos;
    })) << controller.out();
    flows.expect_exactly_once("upgrade under an older controller");
    const Json status = pair().status();
    EXPECT_NE(status["problems"].dump().find("kill " + pid), std::string::npos) << status.dump();

    pair().primary().admin(false);
    ASSERT_TRUE(flows.pass(200));
    EXPECT_EQ(pair().veto(), std::set<std::string>{"down-seen"})
        << "somebody else than the datapath has written";
    pair().primary().admin(true);
    ASSERT_TRUE(flows.pass(200));
    EXPECT_EQ(pair().active(), "standby") << "nobody keeps the pair";
    EXPECT_EQ(pair().cli({"run", "--once"}).code, 75) << "two controllers";
    controller.signal(SIGTERM);
    EXPECT_EQ(controller.wait(), 0);
    flows.mark();
    pair().start_controller();
    EXPECT_TRUE(pair().becomes("primary"));
    flows.expect_exactly_once("a controller of ours");
    EXPECT_EQ(pair().status()["problems"], Json::array());
}

/// A controller of ours that starts does it by itself, after the older one was killed.
TEST_P(UpgradeDies, AControllerTakesOver) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    Flows flows(bed());
    controller.signal(SIGKILL);
    controller.wait();
    std::filesystem::remove(PrivateState::dir() + "/control");
    Process ours(newer_command({"run"}));
    EXPECT_TRUE(until([&] {
        return ours.out().find("standby: taken over from ABI 6") != std::string::npos &&
               ours.out().find("in our care") != std::string::npos;
    })) << ours.out();
    flows.expect_exactly_once("another version's controller");
    expect_ours();
    ours.signal(SIGTERM);
    EXPECT_EQ(ours.wait(), 0);
}

TEST_P(UpgradeDies, TwoAtOnce) {
    attach_older();
    Flows flows(bed());
    Process first(newer_command({"upgrade"})), second(newer_command({"upgrade"}));
    EXPECT_EQ(first.wait(), 0);
    EXPECT_EQ(second.wait(), 0);
    EXPECT_EQ(first.out() + second.out(), "standby: taken over from ABI 6\n");
    flows.expect_exactly_once("two at once");
    expect_ours();
}

/// Refused whole: the pair stays in force, with the reason.
TEST_P(UpgradeDies, Refused) {
    attach_older();
    Flows flows(bed());
    const Ids before = pinned_ids();
    struct {
        const char *what;
        std::vector<std::string> under; ///< a command that runs the rest of its line
        const char *says;
    } const cases[] = {
        {"no descriptors", {"prlimit", "--nofile=24"}, "Too many open files"},
        {"no right to load programs",
         {"setpriv", "--bounding-set=-perfmon,-sys_admin,-bpf",
          "--inh-caps=-perfmon,-sys_admin,-bpf"},
         "not permitted"},
    };
    for (const auto &c : cases) {
        SCOPED_TRACE(c.what);
        std::vector<std::string> line = newer_command({"upgrade"});
        line.insert(line.begin(), c.under.begin(), c.under.end());
        const Outcome o = run(line);
        EXPECT_NE(o.code, 0) << o.shown();
        EXPECT_NE(o.err.find(c.says), std::string::npos) << o.shown();
        EXPECT_FALSE(upgrade_is_left());
        EXPECT_TRUE(pinned_ids() == before);
        flows.expect_exactly_once(c.what);
    }
    const std::string dir = pins().front().parent_path();
    std::filesystem::rename(dir + "/ring", bpffs() + "/kept"); // a part is missing
    Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 1) << o.shown();
    EXPECT_NE(o.err.find("incomplete"), std::string::npos) << o.shown();
    EXPECT_EQ(pair().cli({"upgrade", "--check"}).code, 1);
    std::filesystem::rename(bpffs() + "/kept", dir + "/ring");
    EXPECT_TRUE(pinned_ids() == before);
    flows.expect_exactly_once("a part is missing");
    o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 0) << o.shown();
    flows.expect_exactly_once("at last");
    expect_ours();
}

const Way ways[] = {
    {"two_veth", NicKind::veth, {}},
    {"two_tap", NicKind::tap, {}},
    {"two_clsact", NicKind::veth, {}, Place::clsact},
    {"two_gate", NicKind::tap, {"--gate"}, Place::dispatcher},
    {"two_gate_alone", NicKind::tap, {"--gate"}, Place::alone},
    {"three", {NicKind::veth, HL_MODEL_THREE}, {"--model", "three"}},
    {"hidden", {NicKind::tap, HL_MODEL_HIDDEN}, {"--model", "hidden"}},
    {"one", {NicKind::veth, HL_MODEL_ONE}, {"--model", "one"}},
    {"xdp", NicKind::veth, {"--datapath", "xdp", "--checksums-complete"}, Place::dispatcher},
    {"xdp_tap", NicKind::tap, {"--datapath", "xdp", "--checksums-complete"}, Place::dispatcher},
    {"xdp_alone", NicKind::veth, {"--datapath", "xdp", "--checksums-complete"}, Place::alone},
};
std::string name_of_way(const testing::TestParamInfo<Way> &way) {
    return way.param.name;
}
INSTANTIATE_TEST_SUITE_P(Way, Upgrade, testing::ValuesIn(ways), name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeDies,
                         testing::Values(Way{"two", NicKind::veth, {}},
                                         Way{"clsact", NicKind::veth, {}, Place::clsact}),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
