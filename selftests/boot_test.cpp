// SPDX-License-Identifier: BSD-2-Clause
//
// The controller is there first, the NICs come in any order.
#include "proving/spawn.hpp"
#include "selftests/pair_test.hpp"

#include <algorithm>

namespace hitless::selftest {
namespace {

class Boot : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        lab().primary().remove();
        lab().standby().remove();
        config_ = pair().config("auto_pair = false\n[[pair]]\nstandby = \"standby\"\nprimary = "
                                "\"mac\"\nhold_down_ms = 20\n");
    }
    void standby_comes() {
        lab().standby().add();
        ip_batch(lab().guest().name(),
                 fmt::format("link set dev standby up\naddr add {}/24 broadcast + dev standby\n",
                             NetLab::guest4));
    }
    /// The pair is whole, soon, after one switch at most; and carries frames.
    void expect_paired(const std::string &order) {
        const auto start = now_ns();
        EXPECT_TRUE(pair().becomes("primary")) << order << "\n" << pair().controller().out();
        fmt::print("  {}: primary in use {:.0f} ms after the last device\n", order,
                   static_cast<double>(now_ns() - start) / 1e6);
        EXPECT_LE(pair().status()["flips"].get<int>(), 1) << order << pair().cli({"events"}).out;
        EXPECT_TRUE(Traffic(lab(), 2000).pass(200));
        EXPECT_LE(pair().status()["flips"].get<int>(), 1) << order << pair().cli({"events"}).out;
    }
    std::string config_;
};

TEST_P(Boot, PrimaryFirst) {
    pair().start_controller({"--config", config_});
    lab().primary().add();
    standby_comes();
    expect_paired("primary first");
}

TEST_P(Boot, StandbyFirstPrimaryLate) {
    pair().start_controller({"--config", config_});
    standby_comes();
    EXPECT_TRUE(pair().becomes("standby"));
    EXPECT_TRUE(Traffic(lab(), 2000).pass(4000)); // two seconds without a primary
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    lab().primary().add();
    expect_paired("standby first");
}

TEST_P(Boot, ASecondNicIsUsedSoon) {
    pair().start_controller({"--config", config_});
    standby_comes();
    ASSERT_TRUE(pair().becomes("standby"));
    Traffic traffic(lab(), 2000);
    const auto median = [&]() -> std::optional<double> {
        std::vector<double> took;
        while (took.size() < 50) {
            const auto start = now_ns();
            lab().primary().add();
            EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
            took.push_back(static_cast<double>(now_ns() - start) / 1e6);
            lab().primary().remove();
            EXPECT_TRUE(pair().becomes("standby"));
            if (HasFailure()) return std::nullopt;
        }
        std::ranges::sort(took);
        fmt::print("  appeared, paired, proved and used after {:.0f} ms (median of 50, {:.0f} to "
                   "{:.0f}; making the device and asking for the status included)\n",
                   took[25], took.front(), took.back());
        return took[25];
    };
    expect_within("ms from its appearance to its use", 100, median);
}

TEST_P(Boot, BothThere) {
    lab().primary().add();
    standby_comes();
    pair().start_controller({"--config", config_});
    expect_paired("both there");
}

HL_INSTANTIATE(Boot);

} // namespace
} // namespace hitless::selftest
