// SPDX-License-Identifier: BSD-2-Clause
//
// Whoever is behind the guest has one NIC as well: nothing that it sends comes back, and what is
// sent to it arrives once, whatever the network floods.
#include "selftests/nested.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

namespace hitless::selftest {
namespace {

class Behind : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    void join(Nested::Joined how) {
        nested_ = std::make_unique<Nested>(bed().guest(), pair().master(), how);
    }
    Nested &nested() { return *nested_; }

    void expect_no_echo(const std::string &to) {
        hitless::selftest::expect_no_echo(pair(), nested(), to);
    }
    void expect_reachable(const std::string &when) {
        const auto echoes = pair().counter("drop_echo");
        for (int i = 0; i < 5; i++) {
            spawn({"ip", "-n", nested().netns().name(), "neigh", "flush", "dev", Nested::ifname});
            EXPECT_TRUE(ping(nested().netns(), Testbed::far4, default_patience)) << when;
            EXPECT_EQ(nested().learned_at(), "vn") << when;
        }
        EXPECT_GT(pair().counter("drop_echo"), echoes) << when << ": no echo came back";
    }

  private:
    std::unique_ptr<Nested> nested_;
};

TEST_P(Behind, ABridgedGuestIsReached) {
    join(Nested::Joined::bridge);
    expect_reachable("by the primary");
    ASSERT_EQ(pair().cli({"switch", "standby", "standby"}).code, 0);
    expect_reachable("by the standby");
    ASSERT_EQ(pair().cli({"switch", "standby", "auto"}).code, 0);
    expect_reachable("by the primary again");
}

TEST_P(Behind, NothingOfABridgedGuestComesBack) {
    join(Nested::Joined::bridge);
    expect_no_echo("ffffffffffff");
    expect_no_echo("333300000001");
    expect_no_echo("525400770099"); // nobody's: the switch floods it
    EXPECT_EQ(nested().learned_at(), "vn");
}

TEST_P(Behind, AMacvlanOfAnyModeDoesNotHearItself) {
    using enum Nested::Joined;
    for (const auto mode : {macvlan_private, macvlan_bridge, macvlan_vepa, macvlan_passthru}) {
        SCOPED_TRACE(static_cast<int>(mode));
        join(mode);
        expect_no_echo("ffffffffffff");
        EXPECT_TRUE(ping(nested().netns(), Testbed::far4, default_patience));
        // Its namespace takes it along later than the next one wants its place.
        spawn({"ip", "-n", nested().netns().name(), "link", "del", Nested::ifname});
    }
}

TEST_P(Behind, UnicastThatIsFloodedArrivesOnce) {
    join(Nested::Joined::bridge);
    ASSERT_TRUE(ping(nested().netns(), Testbed::far4, default_patience));
    flood_unicast(bed());
    const auto twins = pair().counter("drop_twin");
    const Tally got = sent_to(bed(), nested().netns(), Nested::address4, Nested::mac);
    fmt::print("  flooded to a nested guest: {}\n", text(got));
    EXPECT_TRUE(got.hitless()) << text(got);
    EXPECT_GE(pair().counter("drop_twin"), twins + 300) << "the switch did not flood";
}

/// A nested guest that moved out speaks from outside, with what its bridge has just heard it say.
TEST_P(Behind, AGuestThatMovedOutIsHeardFromThere) {
    join(Nested::Joined::bridge);
    ASSERT_TRUE(ping(nested().netns(), Testbed::far4, default_patience));
    PacketSocket witness =
        in_netns(bed().guest(), [] { return PacketSocket(Nested::bridge, 0x88b5); });
    PacketSocket out =
        in_netns(nested().netns(), [] { return PacketSocket(Nested::ifname, 0x88b6); });
    PacketSocket far = in_netns(bed().far(), [] { return PacketSocket("lan", 0x88b6); });
    auto hello = from_hex("ffffffffffff 525400770050 88b5");
    hello.resize(60);
    const auto echoes = pair().counter("drop_echo");
    out.send(hello);
    ASSERT_TRUE(witness.next(1s)) << "the bridge does not hear its own guest";
    ASSERT_TRUE(until([&] { return pair().counter("drop_echo") > echoes; }));
    spawn({"ip", "-n", nested().netns().name(), "link", "set", Nested::ifname, "down"});
    far.send(hello);
    EXPECT_TRUE(witness.next(1s)) << "an announcement from outside was taken for an echo";
    EXPECT_EQ(nested().learned_at(), pair().master());
}

HL_INSTANTIATE_MODELS(Behind);

class Flooded : public PairTest {};

/// The first frame is delivered twice at most: nobody remembers a frame that came by the right NIC.
TEST_P(Flooded, UnicastToTheGuestArrivesOnceButForTheFirst) {
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    flood_unicast(bed());
    const auto twins = pair().counter("drop_twin");
    const Tally got = sent_to(bed(), bed().guest(), Testbed::guest4, Testbed::mac);
    fmt::print("  flooded to the guest: {}\n", text(got));
    EXPECT_EQ(got.lost, 0U);
    EXPECT_LE(got.duplicated, 1U);
    EXPECT_GE(pair().counter("drop_twin"), twins + 299) << "the switch did not flood";
}

HL_INSTANTIATE_MODELS(Flooded);

} // namespace
} // namespace hitless::selftest
