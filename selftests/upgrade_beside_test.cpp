// SPDX-License-Identifier: BSD-2-Clause
//
// Who else is there while a pair is taken over, and what may be lacking
// (docs/adr/0011-upgrade-in-place.md).
#include "selftests/steps.hpp"
#include "selftests/upgrading.hpp"

#include <csignal>
#include <filesystem>
#include <set>
#include <string>

namespace hitless::selftest {
namespace {

class UpgradeBeside : public Upgrading {};

/// A controller of the older version still lives. It is told by what it checks before each change.
TEST_P(UpgradeBeside, AnOlderControllerIsFenced) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    Flows flows(bed(), way().with.kind);
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
TEST_P(UpgradeBeside, AControllerTakesOver) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    Flows flows(bed(), way().with.kind);
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

/// An older command has opened the record, and writes after ours is published.
TEST_P(UpgradeBeside, AnOlderWriterIsWaitedFor) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    const std::string record = pins().front().parent_path() / "pair";
    HeldWithRecord choice(older_command({"switch", "standby", "standby"}),
                          older_command({"switch", "standby", "auto"}));
    ASSERT_TRUE(choice.held());
    const std::uint32_t former = map_id(record);
    Process upgrade(newer_command({"upgrade"}));
    ASSERT_TRUE(until([&] { return map_id(record) != former; })) << upgrade.err();
    EXPECT_EQ(choice.go_on(), 0);
    EXPECT_EQ(upgrade.wait(), 0) << upgrade.err();
    EXPECT_EQ(upgrade.err(), "");
    EXPECT_EQ(pair().veto(), std::set<std::string>{"operator"}) << "the choice was lost";
    EXPECT_EQ(pair().cli({"switch", "standby", "auto"}).code, 0);
    flows.expect_exactly_once("a choice that came late");
    expect_ours();
}

TEST_P(UpgradeBeside, AnOlderWriterThatStaysIsNamed) {
    attach_older();
    HeldWithRecord choice(older_command({"switch", "standby", "standby"}),
                          older_command({"switch", "standby", "auto"}));
    ASSERT_TRUE(choice.held());
    const Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_NE(o.err.find("still has the pair open"), std::string::npos) << o.shown();
    EXPECT_EQ(choice.go_on(), 0);
    expect_ours();
}

TEST_P(UpgradeBeside, TwoAtOnce) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    Process first(newer_command({"upgrade"})), second(newer_command({"upgrade"}));
    EXPECT_EQ(first.wait(), 0);
    EXPECT_EQ(second.wait(), 0);
    EXPECT_EQ((std::set<std::string>{first.out(), second.out()}),
              (std::set<std::string>{"standby: taken over from ABI 6\n",
                                     "no pair here was made by an older version\n"}));
    flows.expect_exactly_once("two at once");
    expect_ours();
}

/// Refused whole: the pair stays in force, with the reason.
TEST_P(UpgradeBeside, Refused) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    const Ids before = pinned_ids();
    Outcome o = run({"nsenter", "--net=/run/netns/" + bed().guest().name(), "setpriv",
                     "--bounding-set=-perfmon,-sys_admin,-bpf",
                     "--inh-caps=-perfmon,-sys_admin,-bpf", hitless_binary(), "upgrade"});
    EXPECT_EQ(o.code, 1) << o.shown();
    EXPECT_NE(o.err.find("not permitted"), std::string::npos) << o.shown();
    EXPECT_NE(o.err.find("as root: `hitless upgrade`"), std::string::npos) << o.shown();
    EXPECT_FALSE(upgrade_is_left());
    EXPECT_TRUE(pinned_ids() == before);
    flows.expect_exactly_once("no right to load programs");
    const std::string dir = pins().front().parent_path();
    std::filesystem::rename(dir + "/ring", bpffs() + "/kept"); // a part is missing
    o = pair().cli({"upgrade"});
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

/// With one descriptor more at a time it comes one step further, and is undone whole.
TEST_P(UpgradeBeside, RefusedForWantOfDescriptors) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    const Ids before = pinned_ids();
    unsigned undone = 0;
    for (unsigned limit = 8;; limit++) {
        ASSERT_LT(limit, 200U);
        SCOPED_TRACE(fmt::format("{} descriptors", limit));
        std::vector<std::string> line = newer_command({"upgrade"});
        line.insert(line.begin(), {"prlimit", fmt::format("--nofile={}:1024", limit)});
        const Outcome o = run(line);
        if (o.code == 0) break;
        EXPECT_NE(o.err.find("Too many open files"), std::string::npos) << o.shown();
        EXPECT_EQ(o.err.find("as root"), std::string::npos) << o.shown();
        EXPECT_FALSE(upgrade_is_left());
        EXPECT_TRUE(pinned_ids() == before);
        undone += o.err.find("it stays in force as the older version made it; "
                             "`ulimit -n 1024 && hitless upgrade`") != std::string::npos;
    }
    EXPECT_GT(undone, 5U);
    flows.expect_exactly_once(fmt::format("refused {} times, then done", undone));
    expect_ours();
}

INSTANTIATE_TEST_SUITE_P(Way, UpgradeBeside,
                         testing::Values(Way{"two", NicKind::veth, {}},
                                         Way{"clsact", NicKind::veth, {}, Place::clsact}),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
