// SPDX-License-Identifier: BSD-2-Clause
//
// A primary that has another MAC than the guest, as a host that gives a VF its address late leaves
// it: nobody's until a host speaks, used where the host delivers to it, and no longer.
#include "selftests/fake_host.hpp"
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

using Phase = HostChannel::Phase;

constexpr auto placeholder = "d2:54:00:00:00:01";

class HostAddress : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        bed().primary().mac(placeholder);
        // By its name, when it is there: a rule.
        const Outcome made = pair().cli({"attach", "standby", "--primary", "nobody,primary",
                                         "--model", pair().model(), "--hold-down", "20"});
        ASSERT_EQ(made.code, 0) << made.shown();
        said_ = made.out + made.shown();
        pair().start_controller();
    }
    static bool reaches(const FakeHost &host, Phase phase) {
        return until([&] { return host.phase() == phase; });
    }
    std::string mac_of_primary() const {
        return pair_->link("primary").find(placeholder) == std::string::npos ? "another"
                                                                             : placeholder;
    }
    std::string said_;
};

TEST_P(HostAddress, GivesAndTakesLoseNothing) {
    Traffic traffic(bed());
    traffic.control();
    FakeHost host(bed());
    const Marks from = traffic.mark();
    for (int round = 0; round < 3; round++) {
        host.request(true);
        ASSERT_TRUE(reaches(host, Phase::given)) << pair().status().dump();
        ASSERT_TRUE(pair().becomes("primary")) << pair().status().dump();
        ASSERT_TRUE(traffic.pass(500));
        EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).out;
        host.request(false);
        ASSERT_TRUE(reaches(host, Phase::taken));
        EXPECT_EQ(pair().veto(), std::set<std::string>{"host"});
        ASSERT_TRUE(traffic.pass(500));
    }
    const Both got = traffic.since(from);
    traffic.report("by a NIC of another MAC", got);
    EXPECT_GE(pair().counter("rx_primary"), 1000U);
    expect_nothing_lost("by a NIC of another MAC", got);
    EXPECT_EQ(mac_of_primary(), placeholder);
}

HL_INSTANTIATE_MODELS(HostAddress);

/// What does not depend on the model.
class HostAddressRules : public HostAddress {};

/// The control: without a host there is nobody to say that it is this guest's.
TEST_P(HostAddressRules, IsNobodysUntilAHostSpeaks) {
    EXPECT_NE(said_.find("primary has another MAC"), std::string::npos) << said_;
    EXPECT_TRUE(pair().controller_says("their MACs differ"));
    EXPECT_TRUE(pair().veto().contains("absent"));
    ASSERT_TRUE(Traffic(bed()).pass(500));
    EXPECT_EQ(pair().active(), "standby");
    bed().primary().mac(Testbed::mac); // as the words say
    EXPECT_TRUE(pair().becomes("primary"));
}

TEST_P(HostAddressRules, AHostThatFallsSilentWhileItDeliversThereChangesNothing) {
    FakeHost host(bed(), {.deadline = default_patience, .lease = 1000ms});
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    host.silence(true);
    ASSERT_TRUE(until([&] { return pair().status()["host"]["speaks"] == false; }));
    const auto flips = pair().status()["flips"];
    pair().kill_controller();
    pair().start_controller();
    ASSERT_TRUE(Traffic(bed()).pass(500));
    EXPECT_EQ(pair().status()["flips"], flips);
    EXPECT_EQ(pair().active(), "primary");
}

TEST_P(HostAddressRules, AHostThatFallsSilentAfterATakeLeavesItUnused) {
    FakeHost host(bed(), {.deadline = default_patience, .lease = 1000ms});
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    host.request(false);
    ASSERT_TRUE(reaches(host, Phase::taken));
    host.silence(true);
    ASSERT_TRUE(until([&] { return !pair().veto().contains("host"); }));
    EXPECT_TRUE(until([&] { return pair().veto().contains("mac"); }));
    EXPECT_EQ(pair().active(), "standby");
}

INSTANTIATE_TEST_SUITE_P(Nic, HostAddressRules, testing::Values(NicKind::veth),
                         [](const auto &nic) { return name_of(nic.param); });

} // namespace
} // namespace hitless::selftest
