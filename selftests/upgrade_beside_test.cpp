// SPDX-License-Identifier: BSD-2-Clause
//
// Who else is there while a pair is taken over, and what may be lacking
// (docs/adr/0011-upgrade-in-place.md).
#include "loader/kernel/fd.hpp"
#include "maps/hitless_abi.h"
#include "selftests/programs.hpp"
#include "selftests/steps.hpp"
#include "selftests/upgrading.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>

namespace hitless::selftest {
namespace {

class UpgradeBeside : public Upgrading {};
class UpgradeShort : public Upgrading {};

class UpgradeFlooded : public Upgrading {
  protected:
    /// Ours, whose takeover is half way.
    static void believe_there_are_no_strays() {
        for (const std::filesystem::path &pin : pins()) {
            if (pin.filename() != "pair" ||
                !pin.parent_path().filename().string().starts_with("up"))
                continue;
            const Fd map(bpf_obj_get(pin.c_str()));
            void *at =
                mmap(nullptr, sizeof(hl_pair), PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
            ASSERT_NE(at, MAP_FAILED);
            auto *ours = static_cast<hl_pair *>(at);
            EXPECT_EQ(ours->standby.stray, HL_STRAY_ASSUMED);
            ours->primary.stray = ours->standby.stray = 0;
            munmap(at, sizeof(hl_pair));
        }
    }
};

class UpgradeHalfWay : public Upgrading {
  protected:
    std::uint64_t sent(const char *by) { return older_status()["counters"][by]; }
    /// What the guest sends leaves by this NIC, and no more by the other.
    bool leaves_by(const std::string &nic, Flows &flows) {
        const std::string by = "tx_" + nic, other = nic == "primary" ? "tx_standby" : "tx_primary";
        return until(
            [&] {
                const std::uint64_t before = sent(by.c_str()), not_by = sent(other.c_str());
                return flows.pass(50) && sent(by.c_str()) > before && sent(other.c_str()) == not_by;
            },
            5s);
    }
    void expect_steers(Flows &flows) {
        EXPECT_EQ(older({"switch", "standby", "standby"}).code, 0);
        EXPECT_TRUE(leaves_by("standby", flows)) << older_status().dump();
        EXPECT_EQ(older({"switch", "standby", "auto"}).code, 0);
        EXPECT_TRUE(leaves_by("primary", flows)) << older_status().dump();
    }
};

/// The takeover was killed, and a controller of the older version goes on, and people choose by it:
/// what they write is obeyed, whichever hooks have got their new programs.
TEST_P(UpgradeHalfWay, TheOlderOneSteers) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    Flows flows(bed(), way().with.kind);
    const std::size_t hooks = linked_programs().size();
    for (unsigned n = 1; n <= hooks && !HasFailure(); n++) {
        SCOPED_TRACE(fmt::format("killed before hook {} of {}", n, hooks));
        ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "link update", n),
                  "link update");
        expect_steers(flows);
    }
    // Between the last hook, which chooses, and the exchange the choice is written and not obeyed:
    // until the next command that changes pairs undoes it.
    ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "rename", 1), "rename");
    EXPECT_EQ(older({"switch", "standby", "standby"}).code, 0);
    EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
    EXPECT_TRUE(leaves_by("standby", flows));
    EXPECT_EQ(older({"switch", "standby", "auto"}).code, 0);
    EXPECT_TRUE(leaves_by("primary", flows));
    EXPECT_TRUE(runs_what_is_pinned());
    flows.expect_exactly_once("killed at each hook, and steered");
    controller.signal(SIGTERM);
    EXPECT_EQ(controller.wait(), 0);
    EXPECT_EQ(pair().cli({"upgrade"}).code, 0);
    flows.expect_exactly_once("taken over");
    expect_ours();
}

/// The control of the floods that UpgradeDies has: where the new program on the path's NIC is not
/// told that strays may come by the other, whose program is the older one, both copies come.
TEST_P(UpgradeFlooded, UndoubtedComesTwice) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    flows.flood();
    ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "link update", 2), "link update");
    forget_strays();
    flows.expect_exactly_once("one NIC with the older program");
    believe_there_are_no_strays();
    EXPECT_TRUE(flows.pass(2000));
    const Tally got = flows.unicast_down();
    EXPECT_GT(got.duplicated, got.frames / 2) << got.frames;
    EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
    flows.settle();
    flows.expect_exactly_once("undone");
}

/// As a newer version leaves them that was killed half way: another program stands in each link of
/// ours. It is not taken for ours, and a controller puts ours back into the very link.
TEST_P(UpgradeHalfWay, AnotherProgramInOurLinkIsNotOurs) {
    pair().attach();
    const Ids before = pinned_ids();
    const Fd other = tc_program(tcx_next);
    unsigned links = 0;
    for (const std::filesystem::path &pin : pins()) {
        if (!pin.filename().string().starts_with("link_")) continue;
        SCOPED_TRACE(pin.filename());
        links++;
        const Fd link(bpf_obj_get(pin.c_str()));
        ASSERT_EQ(bpf_link_update(link.get(), other.get(), nullptr), 0) << errno;
        EXPECT_FALSE(runs_what_is_pinned());
        const std::string said = pair().status()["problems"].dump();
        EXPECT_NE(said.find("no longer runs our program"), std::string::npos) << said;
        const Outcome o = pair().cli({"run", "--once"});
        EXPECT_EQ(o.code, 0) << o.shown();
        EXPECT_EQ(pair().status()["problems"], Json::array());
        EXPECT_TRUE(runs_what_is_pinned());
        EXPECT_TRUE(pinned_ids() == before) << "by another link it would run beside the other one";
    }
    EXPECT_EQ(links, before.links.size());
}

/// A namespace that is only out of sight still has hooks: they are not passed over.
TEST_P(UpgradeHalfWay, ANamespaceOutOfSightIsNotPassedOver) {
    if (way().with.model == HL_MODEL_TWO) GTEST_SKIP() << "has none";
    attach_older();
    const Ids before = pinned_ids();
    const std::string netns = "/run/netns/" + private_netns();
    ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "rename", 1), "rename");
    const Fd held(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(held);
    ASSERT_EQ(umount2(netns.c_str(), MNT_DETACH), 0);
    EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
    const Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 1) << o.shown();
    EXPECT_NE(o.err.find("its name is there"), std::string::npos) << o.shown();
    EXPECT_TRUE(upgrade_is_left()) << "with it the programs would have gone that run there";
    ASSERT_EQ(mount(fmt::format("/proc/self/fd/{}", held.get()).c_str(), netns.c_str(), "none",
                    MS_BIND, nullptr),
              0);
    EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
    expect_older(before);
}

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
               ours.out().find("managed") != std::string::npos;
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
    EXPECT_NE(o.err.find(fmt::format("process {} still has the pair open", choice.pid())),
              std::string::npos)
        << o.shown();
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
    EXPECT_EQ(o.code, 77) << o.shown();
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

/// Nothing is taken from a controller whose pairs are all refused: it is the only one that keeps
/// them.
TEST_P(UpgradeBeside, AnOlderControllerKeepsWhatIsRefused) {
    attach_older();
    Process controller(older_command({"run"}));
    ASSERT_TRUE(until([&] { return controller.out().find("in our care") != std::string::npos; }));
    const std::string dir = pins().front().parent_path();
    std::filesystem::rename(dir + "/ring", bpffs() + "/kept"); // a part is missing
    const Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 1) << o.shown();
    EXPECT_EQ(o.err.find("kill"), std::string::npos) << o.shown();
    std::filesystem::rename(bpffs() + "/kept", dir + "/ring");
    pair().primary().admin(false);
    pair().primary().admin(true);
    EXPECT_TRUE(until([&] { return older_status()["active"] == "primary"; })) << "nobody keeps it";
}

/// With one descriptor more at a time it comes one step further, and is undone whole.
TEST_P(UpgradeShort, OfDescriptors) {
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
        EXPECT_TRUE(runs_what_is_pinned());
        undone += o.err.find("it stays in force as the older version made it; "
                             "`ulimit -n 1024 && hitless upgrade`") != std::string::npos;
    }
    EXPECT_GT(undone, 5U);
    flows.expect_exactly_once(fmt::format("refused {} times, then done", undone));
    expect_ours();
}

INSTANTIATE_TEST_SUITE_P(
    Way, UpgradeHalfWay,
    testing::ValuesIn(upgrade_ways_named({"two_veth", "three", "hidden", "one"})), name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeFlooded, testing::ValuesIn(upgrade_ways_named({"two_veth"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeShort,
                         testing::ValuesIn(upgrade_ways_named({"two_veth", "two_clsact", "three"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeBeside,
                         testing::Values(Way{"two", NicKind::veth, {}},
                                         Way{"clsact", NicKind::veth, {}, Place::clsact}),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
