// SPDX-License-Identifier: BSD-2-Clause
//
// Pairs with a failover device whose record is gone: `rm` of the pins takes the programs off, and
// leaves the guest cut off. Somebody says so, and every way that clears remains gives NICs and
// addresses back.
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "selftests/pins.hpp"
#include "testbed/process.hpp"

#include <filesystem>

namespace hitless::selftest {
namespace {

namespace fs = std::filesystem;

class Unrecorded : public PairTest {
  protected:
    std::string shown(std::vector<std::string> what) const {
        what.insert(what.begin(), {"ip", "-n", pair_->guest().name()});
        return run(what).out;
    }
    /// What the guest has where it is to be had again.
    std::string settings() const {
        return shown({"-o", "-4", "addr", "show", "dev", "standby"}) +
               shown({"route", "show", "default"}) +
               shown({"neigh", "show", "nud", "permanent", "dev", "standby"}) +
               in_netns(pair_->guest(), [] {
                   return run({"sysctl", "net.ipv4.conf.standby.arp_ignore",
                               "net.ipv4.conf.standby.arp_notify"})
                       .out;
               });
    }
    static fs::path pair_dir() {
        for (const auto &entry : fs::directory_iterator(bpffs()))
            if (entry.is_directory()) return entry.path();
        return {};
    }
    void make() {
        ASSERT_TRUE(bed().addresses_ready());
        ip_batch(bed().guest().name(),
                 "addr add 10.77.0.77/24 dev standby\n"
                 "route add default via 10.77.0.1 metric 50\n"
                 "neigh add 10.77.0.50 lladdr 52:54:00:00:00:50 nud permanent dev standby\n");
        bed().guest().sysctl("net/ipv4/conf/standby/arp_notify", "1");
        before_ = settings();
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
        netns_ = "hitless-" + pair_dir().filename().string();
        ASSERT_TRUE(pair().model_row().takes_name || settings() != before_);
    }
    void lose_record() {
        make();
        fs::remove_all(pair_dir());
        ASSERT_TRUE(until([&] { return !ping(bed().guest(), Testbed::far4, 100ms); }))
            << "the programs are still there";
    }
    void expect_given_back() {
        EXPECT_TRUE(until([&] { return settings() == before_; }));
        EXPECT_EQ(settings(), before_);
        EXPECT_EQ(run({"ip", "netns"}).out.find(netns_), std::string::npos);
        EXPECT_EQ(shown({"link"}).find("fo-standby"), std::string::npos);
        const std::string links = shown({"-d", "link"});
        EXPECT_EQ(links.find("netkit"), std::string::npos) << links;
        for (const char *nic : {"standby", "primary"})
            EXPECT_NE(links.find(fmt::format(": {}", nic)), std::string::npos) << links;
        EXPECT_EQ(shown({"link", "show", "dev", "standby"}).find("ALLMULTI"), std::string::npos);
        EXPECT_TRUE(until([&] { return ping(bed().guest(), Testbed::far4, 300ms); }));
    }

    std::string before_, netns_;
};

TEST_P(Unrecorded, IsNamedAndGivenBackByWhatIsNamed) {
    lose_record();
    for (const std::vector<std::string> &command : std::vector<std::vector<std::string>>{
             {"status"}, {"status", "-j"}, {"status", pair().master()}, {"explain"}}) {
        const Outcome o = pair().cli(command);
        EXPECT_EQ(o.code, 1) << command.back() << o.shown();
        EXPECT_NE(o.err.find("its record is gone"), std::string::npos) << o.shown();
        EXPECT_NE(o.err.find("no frame passes " + pair().master()), std::string::npos) << o.shown();
        EXPECT_NE(o.err.find("`hitless detach --all`"), std::string::npos) << o.shown();
    }
    const Outcome o = pair().cli({"doctor"});
    EXPECT_EQ(o.code, 2) << o.shown();
    EXPECT_NE(o.out.find("its record is gone"), std::string::npos) << o.shown();
    EXPECT_NE(o.out.find("hitless detach --all"), std::string::npos) << o.shown();
    const Outcome done = pair().cli({"detach", "--all"});
    EXPECT_EQ(done.code, 0) << done.shown();
    EXPECT_NE(done.err.find("standby has what " + pair().master() + " had"), std::string::npos)
        << done.shown();
    expect_given_back();
    EXPECT_EQ(pair().cli({"status"}).code, 3);
}

TEST_P(Unrecorded, IsGivenBackByDetach) {
    lose_record();
    const Outcome o = pair().cli({"detach", pair().master()});
    EXPECT_EQ(o.code, 0) << o.shown();
    expect_given_back();
    EXPECT_EQ(pair().cli({"detach", pair().master()}).code, 1) << "nothing is left to detach";
}

// The directory of the pins is there, and tells no more than the pair's name.
TEST_P(Unrecorded, IsGivenBackWhereOnlyTheRecordIsGone) {
    make();
    fs::remove(pair_dir() / "pair");
    ASSERT_EQ(pair().cli({"status"}).code, 1);
    const Outcome o = pair().cli({"detach", "--all"});
    EXPECT_EQ(o.code, 0) << o.shown();
    expect_given_back();
}

TEST_P(Unrecorded, IsGivenBackAndPairedAgainByAController) {
    lose_record();
    pair().start_controller({"--config", pair().config("auto_pair = false\n[[pair]]\n"
                                                       "standby = \"standby\"\n"
                                                       "primary = \"mac\"\n"
                                                       "model = \"" +
                                                       pair().model() + "\"\n")});
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
    EXPECT_TRUE(until([&] { return ping(bed().guest(), Testbed::far4, 300ms); }));
    pair().controller().signal(SIGTERM);
    EXPECT_EQ(pair().controller().wait(), 0);
    EXPECT_EQ(pair().cli({"detach", "--all"}).code, 0);
    EXPECT_EQ(settings(), before_);
}

INSTANTIATE_TEST_SUITE_P(Model, Unrecorded,
                         testing::Values(Setting(NicKind::veth, HL_MODEL_THREE),
                                         Setting(NicKind::tap, HL_MODEL_HIDDEN),
                                         Setting(NicKind::veth, HL_MODEL_ONE),
                                         Setting(NicKind::tap, HL_MODEL_ONE)),
                         [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
