// SPDX-License-Identifier: BSD-2-Clause
//
// A pair of the version before is taken over in place (docs/adr/0011-upgrade-in-place.md).
#include "selftests/upgrading.hpp"

#include "loader/kernel/fd.hpp"

#include <array>
#include <atomic>
#include <bpf/bpf.h>
#include <filesystem>
#include <thread>

namespace hitless::selftest {
namespace {

class Upgrade : public Upgrading {};
class UpgradeXdp : public Upgrading {};
class UpgradeTwins : public Upgrading {};
class UpgradePart : public Upgrading {};
class UpgradeHidden : public Upgrading {};
class UpgradeOnStandby : public Upgrading {};

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
    Flows flows(bed(), way().with.kind);
    flows.measure_alone(500);
    const Json older_said = older_status();
    const Ids older_ids = pinned_ids();
    // One table of twins for the older programs and for ours, or copies would come twice while both
    // are there.
    const std::filesystem::path twins = pins().front().parent_path() / "twins";
    const std::uint32_t table = map_id(twins);
    EXPECT_GE(programs_with(table).size(), 2U);

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
    EXPECT_EQ(map_id(twins), table);
    EXPECT_GE(programs_with(table).size(), 2U);
    const Json ours = pair().status();
    EXPECT_GT(ours["counters"]["drop_twin"], older_said["counters"]["drop_twin"])
        << "no copy has come twice, so nothing is shown";
    for (const char *name : {"tx_primary", "rx_primary", "drop_twin"})
        EXPECT_GE(ours["counters"][name], older_said["counters"][name]) << name;
    EXPECT_GT(ours["counters"]["tx_primary"], older_said["counters"]["tx_primary"]);
    for (const char *name : {"flips", "selector", "model", "datapath", "liveness"})
        EXPECT_EQ(ours[name], older_said[name]) << name;
    EXPECT_EQ(pair().cli({"upgrade"}).out, "no pair here was made by an older version\n")
        << "there is nothing left to do";

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

/// Of settings that the older one saved none is as the pair has made it.
TEST_P(Upgrade, CarriesMtuAndFilters) {
    if (has_datapath_xdp()) GTEST_SKIP() << "its addresses are moved by hand";
    set_settings();
    const std::string before = snapshot();
    attach_older();
    expect_settings_saved();
    Flows flows(bed(), way().with.kind);
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    flows.expect_exactly_once("upgrade");
    expect_ours();
    expect_settings_saved();
    const Outcome detached = pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.shown();
    EXPECT_EQ(detached.err, "");
    EXPECT_EQ(snapshot(), before);
}

/// A downgrade: the older version leaves ours alone and says why.
TEST_P(Upgrade, TheOlderOneIsRefusedByOurs) {
    attach_older();
    move_addresses();
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    Flows flows(bed(), way().with.kind);
    flows.measure_alone(500);
    const Ids ours = pinned_ids();
    for (const std::vector<std::string> &line :
         std::vector<std::vector<std::string>>{{"run", "--once"},
                                               {"switch", "standby", "standby"},
                                               {"attach", "standby", "--primary", "mac"}}) {
        SCOPED_TRACE(line.front());
        const Outcome refused = older(line);
        // A controller is not stopped by one pair that it must leave alone.
        EXPECT_EQ(refused.code, line.front() == "run" ? 0 : 1) << refused.shown();
        // What is hidden is no interface here.
        const bool unseen = way().with.model == HL_MODEL_HIDDEN && line.front() != "run";
        EXPECT_NE((refused.out + refused.err).find(unseen ? "no such interface" : "ABI 7"),
                  std::string::npos)
            << refused.shown();
        EXPECT_TRUE(pinned_ids() == ours);
    }
    flows.expect_exactly_once("refused by the older version");
    expect_ours();
}

/// The path is the standby, because somebody chose it.
TEST_P(UpgradeOnStandby, StaysThere) {
    attach_older();
    move_addresses();
    ASSERT_EQ(older({"switch", "standby", "standby"}).code, 0);
    Flows flows(bed(), way().with.kind);
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    flows.expect_exactly_once("upgrade by the standby");
    EXPECT_EQ(pair().active(), "standby");
    EXPECT_EQ(pair().veto(), std::set<std::string>{"operator"});
    ASSERT_EQ(pair().cli({"switch", "standby", "auto"}).code, 0);
    flows.expect_exactly_once("taken back");
    expect_ours();
}

/// There is no primary, and the hooks that it had are gone with it.
TEST_P(UpgradeOnStandby, WithoutAPrimary) {
    attach_older();
    move_addresses();
    const bool hides = pair().model_row().nics == PairNetns::hidden;
    bed().primary().may_hide([netns = hides ? private_netns() : ""] { return netns; });
    bed().primary().remove();
    ASSERT_TRUE(until([&] { return older_status()["active"] == "standby"; }));
    Flows flows(bed(), way().with.kind);
    const Outcome could = pair().cli({"upgrade", "--check"});
    EXPECT_EQ(could.code, 0) << could.shown();
    const Outcome o = pair().cli({"upgrade"});
    ASSERT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(o.err, "");
    flows.expect_exactly_once("upgrade without a primary");
    EXPECT_EQ(pair().active(), "standby");
    EXPECT_FALSE(upgrade_is_left());
    bed().primary().add();
    pair().start_controller();
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
    flows.expect_exactly_once("a primary came");
    expect_ours();
}

/// The control of every "exactly once" here: each broadcast does come twice, and the table of twins
/// is what keeps the second copy away. Where it forgets between two copies, both are delivered.
TEST_P(UpgradeTwins, ATableThatForgetsLetsBothThrough) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    pair().primary().delay(10ms); // for longer than it takes to empty the table
    flows.settle();
    flows.expect_exactly_once("copies 10 ms apart");
    const Fd table(bpf_obj_get((pins().front().parent_path() / "twins").c_str()));
    ASSERT_TRUE(table);
    std::atomic<bool> done = false;
    std::thread forgetful([&] {
        std::array<unsigned char, 64> key{};
        while (!done)
            while (bpf_map_get_next_key(table.get(), nullptr, key.data()) == 0)
                bpf_map_delete_elem(table.get(), key.data());
    });
    EXPECT_TRUE(flows.pass(10'000));
    const Tally got = flows.broadcasts_down();
    done = true;
    forgetful.join();
    EXPECT_GT(got.duplicated, got.frames / 2) << got.frames;
}

/// What libxdp or the kernel does not tell is not taken for nothing: the old program would go on.
TEST_P(UpgradeXdp, RefusedWhereItCannotBeRead) {
    attach_older();
    move_addresses();
    Flows flows(bed(), way().with.kind);
    const Ids before = pinned_ids();
    const std::set<std::string> there = dispatchers();
    const std::string netns = "--net=/run/netns/" + bed().guest().name();
    for (const char *option : {"", "--check"}) {
        const std::string line = fmt::format("exec {} upgrade {}", hitless_binary(), option);
        // The kernel tells nobody else which program a number is; libxdp opens its pins.
        const Outcome o = there.empty()
                              ? run({"nsenter", netns, "setpriv", "--bounding-set=-sys_admin",
                                     "--inh-caps=-sys_admin", "sh", "-c", line})
                              : run({"nsenter", netns, "unshare", "-m", "sh", "-c",
                                     fmt::format("mount -t tmpfs none {} && ", libxdp()) + line});
        EXPECT_EQ(o.code, there.empty() ? 77 : 1) << o.shown();
        EXPECT_NE(o.err.find("read the XDP programs"), std::string::npos) << o.shown();
        expect_older(before);
        EXPECT_EQ(dispatchers(), there);
        flows.expect_exactly_once("refused");
    }
    EXPECT_EQ(pair().cli({"upgrade"}).code, 0);
    flows.expect_exactly_once("upgraded");
    expect_ours();
}

/// Each of its pins in turn: those of a model's own as well. Links are found without
/// (upgrade_hooks_test).
TEST_P(UpgradePart, RefusedWhereOneIsMissing) {
    attach_older();
    move_addresses();
    const Ids before = pinned_ids();
    const std::vector<std::filesystem::path> all = pins();
    EXPECT_GT(all.size(), 10U);
    for (const std::filesystem::path &pin : all) {
        if (pin.filename().string().starts_with("link_")) continue;
        SCOPED_TRACE(pin.filename());
        std::filesystem::rename(pin, bpffs() + "/kept");
        for (const std::vector<std::string> &line :
             std::vector<std::vector<std::string>>{{"upgrade"}, {"upgrade", "--check"}}) {
            const Outcome o = pair().cli(line);
            EXPECT_EQ(o.code, 1) << o.shown();
            EXPECT_NE(o.err.find("the pair is incomplete"), std::string::npos) << o.shown();
        }
        std::filesystem::rename(bpffs() + "/kept", pin);
        expect_older(before);
    }
    EXPECT_EQ(pair().cli({"upgrade"}).code, 0);
    expect_ours();
}

/// The failover device of an older pair is nobody's primary.
TEST_P(UpgradeHidden, AnotherPairTakesNoDeviceOfTheOlderOne) {
    attach_older();
    const std::string ns = bed().guest().name();
    spawn({"ip", "-n", ns, "link", "add", "other", "address", Testbed::mac, "type", "veth", "peer",
           "name", "elsewhere"});
    const Outcome o = pair().cli({"attach", "other", "--primary", "mac"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(older({"detach", "standby"}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Way, Upgrade, testing::ValuesIn(upgrade_ways()), name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeOnStandby,
                         testing::ValuesIn(upgrade_ways_named({"two_tap", "two_clsact", "three",
                                                               "one", "xdp_alone"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeXdp, testing::ValuesIn(upgrade_ways_by_xdp()), name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeTwins, testing::ValuesIn(upgrade_ways_named({"two_tap"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradePart,
                         testing::ValuesIn(upgrade_ways_named({"two_gate", "three", "xdp"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeHidden,
                         testing::Values(Way{
                             "hidden", {NicKind::tap, HL_MODEL_HIDDEN}, {"--model", "hidden"}}),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
