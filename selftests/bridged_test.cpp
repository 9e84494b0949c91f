// SPDX-License-Identifier: BSD-2-Clause
//
// A guest that bridges: its addresses are the bridge's, and others are behind it. A hole is left
// for the bridge's neighbours' sake, and the network learns where those behind the bridge are.
#include "selftests/nested.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "testbed/process.hpp"

namespace hitless::selftest {
namespace {

constexpr unsigned rate = 500;

class Bridged : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        nested_ = std::make_unique<Nested>(bed().guest(), pair().master(), Nested::Joined::bridge);
        ip_batch(bed().guest().name(),
                 fmt::format("addr flush dev {0}\n"
                             "addr add {2}/24 dev {1}\n",
                             pair().master(), Nested::bridge, Testbed::guest4));
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
    }
    const Nested &nested() const { return *nested_; }
    bool is_left() {
        return until([&] { return pair().veto().contains("black-hole"); });
    }

  private:
    std::unique_ptr<Nested> nested_;
};

TEST_P(Bridged, TheBridgesNeighboursProveThePath) {
    EXPECT_TRUE(until([&] { return pair().status().at("proved").get<bool>(); }))
        << pair().cli({"explain", "standby"}).out;
    pair().primary().blackhole(Direction::both, true);
    EXPECT_FALSE(ping(bed().guest(), Testbed::far4, 1ms)) << "there is no hole";
    EXPECT_TRUE(is_left()) << pair().cli({"status"}).out;
    EXPECT_TRUE(ping(bed().guest(), Testbed::far4, default_patience));
    pair().primary().blackhole(Direction::both, false);
    EXPECT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
}

TEST_P(Bridged, WhoIsBehindItIsFoundThoughItOnlyListens) {
    ASSERT_TRUE(ping(nested().netns(), Testbed::far4, default_patience)) << "its last word";
    spawn({"ip", "-n", bed().far().name(), "neigh", "replace", Nested::address4, "lladdr",
           Nested::mac, "dev", "lan", "nud", "permanent"});
    Flow down(bed().far(), nested().netns(),
              {.from = Testbed::far4, .to = Nested::address4, .rate = rate});
    down.start();
    ASSERT_TRUE(until([&] { return down.receiver().arrivals() > rate / 5; }));
    const auto from = down.mark();
    pair().primary().blackhole(Direction::both, true);
    ASSERT_TRUE(is_left()) << pair().cli({"status"}).out;
    const auto arrivals = down.receiver().arrivals();
    EXPECT_TRUE(until([&] { return down.receiver().arrivals() > arrivals + rate / 5; }))
        << "the network still sends into the hole";
    EXPECT_EQ(nested().learned_at(), "vn") << "the guest's bridge looks for it outside";
    down.stop();
    const Tally got = down.since(from);
    fmt::print("  to a silent nested guest: {}\n", text(got));
    EXPECT_GT(got.lost, 0U) << "there was no hole";
    EXPECT_EQ(got.duplicated, 0U);
}

HL_INSTANTIATE_MODELS(Bridged);

class VlanPath : public PairTest {};

// A guest whose addresses are all in a VLAN has no neighbour on the master itself.
TEST_P(VlanPath, IsProvedByTheVlansNeighbours) {
    constexpr const char *far = "10.20.0.1";
    bed().vlan(20);
    spawn({"ip", "-n", bed().guest().name(), "addr", "flush", "dev", "standby"});
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(ping(bed().guest(), far, default_patience));
    EXPECT_TRUE(until([&] { return pair().status().at("proved").get<bool>(); }))
        << pair().cli({"explain", "standby"}).out;
    pair().primary().blackhole(Direction::both, true);
    EXPECT_FALSE(ping(bed().guest(), far, 1ms)) << "there is no hole";
    EXPECT_TRUE(until([&] { return pair().veto().contains("black-hole"); }))
        << pair().cli({"status"}).out;
    EXPECT_TRUE(ping(bed().guest(), far, default_patience));
}

HL_INSTANTIATE_WITH_VLANS(VlanPath);

} // namespace
} // namespace hitless::selftest
