// SPDX-License-Identifier: BSD-2-Clause
//
// Frames towards the guest when the primary is used again. A switch that learns moves them to the
// primary as soon as it hears the guest there, and those that are still on the slower standby are
// overtaken. One move cannot be had without: each more is ours.
#include "selftests/pair_test.hpp"

namespace hitless::selftest {
namespace {

/// A veth delivers at once, so nothing is ever overtaken there.
class Return : public PairTest {
  protected:
    Both moved(const std::string &what, const Traffic &traffic, const std::function<void()> &act) {
        const Marks from = traffic.mark();
        act();
        EXPECT_TRUE(pair().becomes("primary"));
        EXPECT_TRUE(traffic.pass(1000));
        const Both got = traffic.since(from);
        traffic.report(what, got);
        EXPECT_EQ(got.down.lost + got.down.duplicated, 0U);
        return got;
    }
};

TEST_P(Return, AfterCarrierLossReordersNoMoreThanOneMoveOfTheNetworksTables) {
    pair().attach({"--hold-down", "400"});
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    Traffic traffic(bed(), 2000);
    bed().standby().delay(5ms);
    ASSERT_TRUE(pair().cli({"switch", "standby", "standby", "--wait"}).code == 0);
    ASSERT_TRUE(traffic.pass(500));
    const Both control = moved("planned return", traffic, [&] {
        EXPECT_EQ(pair().cli({"switch", "standby", "auto", "--wait"}).code, 0);
    });
    ASSERT_GT(control.down.reordered, 0U) << "the standby is not slower: nothing can be shown";
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    ASSERT_TRUE(traffic.pass(500));
    const Both got = moved("carrier return", traffic, [&] { pair().primary().carrier(true); });
    // A frame of the guest's, still on its way out by the standby, may take the tables back once.
    EXPECT_LE(got.down.reordered, 3 * control.down.reordered);
}

INSTANTIATE_TEST_SUITE_P(Nic, Return, testing::Values(NicKind::tap),
                         [](const auto &nic) { return name_of(nic.param); });

} // namespace
} // namespace hitless::selftest
