// SPDX-License-Identifier: BSD-2-Clause
//
// The controller is there first, the NICs come in any order.
#include "selftests/figure.hpp"
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"

namespace hitless::selftest {
namespace {

class Boot : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        bed().primary().remove();
        bed().standby().remove();
        config_ = pair().config(rules());
    }
    std::string rules() {
        return "auto_pair = false\n[[pair]]\nstandby = \"standby\"\nprimary = \"mac\"\n"
               "hold_down_ms = 20\nmodel = \"" +
               pair().model() + "\"\n";
    }
    /// With its addresses; where a controller makes a failover device at once, that has them.
    void standby_comes(bool controller_runs = true) {
        bed().standby().add();
        const bool takes_over = controller_runs && pair().model_row().has_failover;
        if (takes_over) {
            ASSERT_TRUE(until([&] { return !pair().active().empty(); }));
        }
        ip_batch(bed().guest().name(),
                 fmt::format("link set dev {0} up\naddr add {1}/24 broadcast + dev {0}\n",
                             takes_over ? pair().master() : "standby", Testbed::guest4));
    }
    /// The pair is whole, soon, after one switch at most; and carries frames.
    void expect_paired(const std::string &order) {
        const auto start = now_ns();
        EXPECT_TRUE(pair().becomes("primary")) << order << "\n" << pair().controller().out();
        fmt::print("  {}: primary in use {:.0f} ms after the last device\n", order,
                   static_cast<double>(now_ns() - start) / 1e6);
        EXPECT_LE(pair().status()["flips"].get<int>(), 1) << order << pair().cli({"events"}).out;
        EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
        EXPECT_LE(pair().status()["flips"].get<int>(), 1) << order << pair().cli({"events"}).out;
    }
    std::string config_;
};

TEST_P(Boot, PrimaryFirst) {
    pair().start_controller({"--config", config_});
    bed().primary().add();
    standby_comes();
    expect_paired("primary first");
}

TEST_P(Boot, StandbyFirstPrimaryLate) {
    pair().start_controller({"--config", config_});
    standby_comes();
    EXPECT_TRUE(pair().becomes("standby"));
    EXPECT_TRUE(Traffic(bed(), 2000).pass(4000)); // two seconds without a primary
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    bed().primary().add();
    expect_paired("standby first");
}

/// Because it is proved: every timer that would use it unproved, or look again, is a minute away.
TEST_P(Boot, ASecondNicIsUsedOnceItIsProved) {
    pair().start_controller(
        {"--config", pair().config("proof_timeout_ms = 60000\nprobe_rest_ms = 60000\n" + rules())});
    standby_comes();
    ASSERT_TRUE(pair().becomes("standby"));
    Traffic traffic(bed(), 2000);
    for (int i = 0; i < 10; ++i) {
        const auto start = now_ns();
        bed().primary().add();
        ASSERT_TRUE(pair().becomes("primary")) << pair().controller().out();
        figure("a second NIC appeared, paired, proved and used", // and made, and status asked
               static_cast<double>(now_ns() - start) / 1e6);
        bed().primary().remove();
        ASSERT_TRUE(pair().becomes("standby"));
    }
}

TEST_P(Boot, BothThere) {
    bed().primary().add();
    standby_comes(false);
    pair().start_controller({"--config", config_});
    expect_paired("both there");
}

HL_INSTANTIATE(Boot);
// A tap gets its MAC after it is there, when its frames are another device's already.
INSTANTIATE_TEST_SUITE_P(Model, Boot,
                         testing::Values(Setting(NicKind::veth, HL_MODEL_THREE),
                                         Setting(NicKind::veth, HL_MODEL_HIDDEN),
                                         Setting(NicKind::veth, HL_MODEL_ONE)),
                         [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
