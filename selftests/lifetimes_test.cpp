// SPDX-License-Identifier: BSD-2-Clause
//
// What outlives what: a decision its controller, a pair its name, a device its number.
#include "loader/core/error.hpp"
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

#include <cerrno>
#include <csignal>
#include <net/if.h>

namespace hitless::selftest {
namespace {

class Lifetimes : public PairTest {
  protected:
    void control(const std::string &model = "two") {
        pair().start_controller(
            {"--config", pair().config("auto_pair = false\n[[pair]]\nstandby = \"standby\"\n"
                                       "primary = \"mac\"\nhold_down_ms = 20\nmodel = \"" +
                                       model + "\"\n")});
        ASSERT_TRUE(pair().becomes("primary")) << pair().controller().out();
    }
    /// Something for a controller to look at. It makes what it misses within a look.
    bool is_made_again(std::chrono::milliseconds patience = 1s) {
        ip_batch(bed().guest().name(), "link add poke0 type veth peer name poke1\n"
                                       "link del dev poke0\n");
        return until([&] { return !pair().active().empty(); }, patience);
    }
    bool has_said(const std::string &words) {
        return pair().controller().out().find(words) != std::string::npos;
    }
    /// Another device under a number; says nothing of its own accord.
    static void plug_another(const Netns &where, unsigned index) {
        where.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        ip_batch(where.name(), fmt::format("link add index {} name foreign type veth peer name "
                                           "peer index 900\n"
                                           "link set dev peer up\nlink set dev foreign up\n",
                                           index));
        ASSERT_EQ(in_netns(where, [] { return if_nametoindex("foreign"); }), index);
    }
    static std::uint64_t frames_at_peer(const Netns &where) {
        const std::string all =
            spawn({"ip", "-n", where.name(), "-s", "-j", "link", "show", "dev", "peer"});
        return Json::parse(all)[0]["stats64"]["rx"]["packets"];
    }
    /// Frames as a process of the guest sends them. Returns how many were refused on the way out.
    int send_from(const std::string &ifname, int frames) {
        PacketSocket out = in_netns(bed().guest(), [&] { return PacketSocket(ifname); });
        auto frame = from_hex("525400770001 525400770002 88b5");
        frame.resize(60);
        int refused = 0;
        for (int i = 0; i < frames; ++i) {
            try {
                out.send(frame);
            } catch (const Error &error) { // what a dropped frame is to its sender
                if (error.code() != ENOBUFS) throw;
                ++refused;
            }
        }
        return refused;
    }
};

class Detached : public Lifetimes {};

TEST_P(Detached, UnderAControllerLasts) {
    control(pair().model());
    for (const std::vector<std::string> &how :
         {std::vector<std::string>{"detach", "standby"}, {"detach", "--all"}}) {
        ASSERT_EQ(pair().cli(how).code, 0);
        EXPECT_FALSE(is_made_again()) << pair().controller().out();
        const Outcome why =
            pair().cli({"attach", "standby", "--primary", "mac", "--model", pair().model()});
        ASSERT_EQ(why.code, 0) << why.shown();
        EXPECT_TRUE(pair().becomes("primary"));
    }
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    pair().kill_controller();
    pair().start_controller({"--config", PrivateState::dir() + "/config.toml"});
    EXPECT_FALSE(is_made_again()) << "a restart is no decision\n" << pair().controller().out();
    pair().controller().signal(SIGHUP);
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
}

TEST_P(Lifetimes, AControllerLeavesAConversionAlone) {
    control();
    for (const char *model : {"three", "two", "hidden", "two", "one", "two"}) {
        const Outcome o = pair().cli({"convert", "standby", "--model", model, "--gap"});
        ASSERT_EQ(o.code, 0) << o.shown() << pair().controller().out();
        EXPECT_TRUE(pair().becomes("primary")) << model << "\n" << pair().controller().out();
        EXPECT_EQ(pair().status()["model"], model);
    }
    EXPECT_FALSE(has_said("match")) << pair().controller().out();
    EXPECT_FALSE(has_said("already")) << pair().controller().out();
    EXPECT_FALSE(has_said("no such interface")) << pair().controller().out();
}

/// The name in the state directory is the same.
TEST_P(Lifetimes, APairMadeAgainWhileItsControllerSlept) {
    control();
    for (int i = 0; i < 3; ++i) {
        pair().controller().signal(SIGSTOP);
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        // Nobody proves the path but the controller, which does not run.
        const Outcome o = pair().cli({"attach", "standby", "--primary", "mac", "--proof-timeout",
                                      "100", "--hold-down", "20"});
        ASSERT_EQ(o.code, 0) << o.shown();
        pair().controller().signal(SIGCONT);
        EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
        bed().primary().remove();
        EXPECT_TRUE(pair().becomes("standby"));
        bed().primary().add();
        EXPECT_TRUE(pair().becomes("primary")) << "its pair is the new one\n"
                                               << pair().controller().out();
    }
    EXPECT_FALSE(has_said("File exists")) << pair().controller().out();
}

TEST_P(Lifetimes, NoFrameToAnotherDeviceUnderTheNumberOfAStandbyThatMoved) {
    const Outcome o = pair().cli({"attach", "standby", "--primary", "mac", "--model", "three"});
    ASSERT_EQ(o.code, 0) << o.shown();
    ASSERT_EQ(pair().cli({"switch", "standby", "standby", "--wait"}).code, 0);
    const unsigned index = bed().standby().ifindex();
    bed().standby().move_to(bed().elsewhere());
    plug_another(bed().guest(), index);
    const auto before = frames_at_peer(bed().guest());
    EXPECT_EQ(send_from("fo-standby", 100), 100);
    const Outcome shown = pair().cli({"status", "-j"});
    EXPECT_EQ(shown.code, 2) << shown.shown();
    EXPECT_EQ(shown.out.find("foreign"), std::string::npos) << shown.shown();
    EXPECT_GE(Json::parse(shown.out)["pairs"][0]["counters"]["drop_no_device"], 100);
    EXPECT_EQ(frames_at_peer(bed().guest()), before);
}

/// What tells is the kernel, whichever variant the programs stand on.
TEST_P(Lifetimes, NoFrameToAnotherDeviceWhereTheMasterWent) {
    for (const char *variant : {"cast", "probe-read", "netlink"}) {
        const Outcome o =
            pair().cli({"attach", "standby", "--primary", "mac", "--liveness", variant});
        ASSERT_EQ(o.code, 0) << o.shown();
        const Netns &there = bed().elsewhere();
        plug_another(there, bed().primary().ifindex());
        bed().standby().move_to(there);
        there.sysctl("net/ipv6/conf/standby/disable_ipv6", "1");
        bed().standby().admin(true);
        const auto at_peer = frames_at_peer(there), sent = bed().standby().counters().tx;
        PacketSocket out = in_netns(there, [] { return PacketSocket("standby"); });
        auto frame = from_hex("525400770001 525400770002 88b5");
        frame.resize(60);
        for (int i = 0; i < 100; ++i)
            out.send(frame);
        EXPECT_TRUE(until([&] { return bed().standby().counters().tx >= sent + 100; })) << variant;
        EXPECT_EQ(frames_at_peer(there), at_peer) << variant;
        ip_batch(there.name(), "link del dev foreign\n");
        bed().standby().move_to(bed().guest());
        ip_batch(bed().guest().name(), "link set dev standby up\n");
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    }
}

/// A primary that belongs to another device is said once, not each second.
TEST_P(Lifetimes, TroubleThatLastsIsSaidOnce) {
    control();
    const auto times_said = [&] {
        const std::string said = pair().controller().out(), words = "nomaster";
        int times = 0;
        for (size_t at = 0; (at = said.find(words, at)) != said.npos; at += words.size())
            ++times;
        return times;
    };
    pair().controller().signal(SIGSTOP);
    bed().primary().remove();
    bed().primary().add();
    ip_batch(bed().guest().name(), "link add br9 type bridge\nlink set dev primary master br9\n");
    pair().controller().signal(SIGCONT);
    EXPECT_TRUE(until([&] { return times_said() == 1; })) << pair().controller().out();
    EXPECT_FALSE(until([&] { return times_said() > 1; }, 2500ms)) << pair().controller().out();
    ip_batch(bed().guest().name(), "link set dev primary nomaster\n");
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
}

HL_INSTANTIATE(Lifetimes);
INSTANTIATE_TEST_SUITE_P(Model, Detached,
                         testing::Values(Setting(NicKind::veth),
                                         Setting(NicKind::tap, HL_MODEL_HIDDEN)),
                         [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
