// SPDX-License-Identifier: BSD-2-Clause
//
// The daemon with guests that speak: the order of a give and a take, and what it does when a guest
// does not play along.
#include "tests/host/host_case.hpp"

namespace hitless::test {
namespace {

class HostTest : public HostCase {};

TEST_F(HostTest, GivesWhenTheGuestIsReadyAndNotBefore) {
    start();
    ASSERT_TRUE(pump([&] { return status().said && status().said->able; }));
    EXPECT_EQ(status().phase, HostChannel::Phase::plugging);
    EXPECT_EQ(downlink(), DataPath::standby);
    guest_->primary = GuestPrimary::present;
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::readying; }));
    EXPECT_EQ(downlink(), DataPath::standby);
    EXPECT_TRUE(guest_->vetoed()) << "not before the host delivers to it";
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    EXPECT_EQ(downlink(), DataPath::primary);
    ASSERT_EQ(events_.size(), 1u);
    EXPECT_EQ(events_[0].kind, HostEvent::Kind::give);
    EXPECT_FALSE(events_[0].overdue);
    EXPECT_EQ(early_, 0u);
}

TEST_F(HostTest, TakesAfterTheGuestHasLeft) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    events_.clear();
    host_->request("web1", false);
    bool sent_when_moved = false;
    ASSERT_TRUE(pump([&] {
        sent_when_moved |= downlink() == DataPath::standby && guest_->sends_by_primary();
        return taken();
    }));
    EXPECT_FALSE(sent_when_moved);
    ASSERT_EQ(events_.size(), 1u);
    EXPECT_EQ(events_[0].kind, HostEvent::Kind::take);
    EXPECT_FALSE(events_[0].overdue);
    EXPECT_GE(events_[0].moved, events_[0].answered);
    ASSERT_TRUE(pump([&] { return !status().held; })) << "it may migrate now";
    host_->request("web1", true);
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    EXPECT_EQ(early_, 0u);
}

TEST_F(HostTest, ASilentGuestIsNotWaitedForLongerThanTold) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    guest_->silent = true;
    events_.clear();
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return downlink() == DataPath::standby; }));
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
    EXPECT_TRUE(status().overdue);
    EXPECT_FALSE(status().as_requested()) << "for all we know it still sends by its primary";
    EXPECT_TRUE(status().held) << "and what it sends there must not move its address back";
    ASSERT_EQ(events_.size(), 1u);
    EXPECT_TRUE(events_[0].overdue);
    EXPECT_GE(events_[0].moved - events_[0].began, spec_.deadline);
    guest_->silent = false;
    ASSERT_TRUE(pump([&] { return taken(); })) << "when it has left after all";
}

/// It stays on its primary with every number right, says again what it once said, and floods.
TEST_F(HostTest, AHostileGuestIsNotWaitedForLongerThanTold) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    const std::vector<uint8_t> once = guest_->last_said;
    std::vector<uint8_t> garbled = once;
    garbled[14] ^= 1; // not of the channel
    guest_->stubborn = true;
    events_.clear();
    auto wire = on(guest1(), "standby");
    wire.bypass_tc();
    auto harass = [&] {
        wire.send(garbled);
        for (unsigned i = 0; i < 2 * HL_TAP_BURST; i++)
            wire.send(once);
    };
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] {
        harass();
        return downlink() == DataPath::standby && !events_.empty();
    }));
    EXPECT_TRUE(events_[0].overdue);
    EXPECT_GE(events_[0].moved - events_[0].began, spec_.deadline) << "it had its time";
    EXPECT_GT(status().counts.counts[HL_TAP_COUNT_LIMITED], 0u) << "it did flood";
    EXPECT_TRUE(guest_->sends_by_primary()) << "and it has not left";
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
    EXPECT_FALSE(status().as_requested());
    EXPECT_TRUE(status().held) << "what it sends by its primary moves nothing";
    guest_->stubborn = false;
    ASSERT_TRUE(pump([&] { return taken(); }));
}

/// It is as requested when the guest says so, and as long as it says so.
TEST_F(HostTest, WhatIsRequestedIsReachedWhenTheGuestUsesIt) {
    start();
    guest_->proven = false;
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] {
        return status().phase == HostChannel::Phase::given &&
               status().said->primary == GuestPrimary::ready && downlink() == DataPath::primary;
    }));
    EXPECT_FALSE(status().as_requested()) << "it has not proved the path";
    guest_->proven = true;
    ASSERT_TRUE(pump([&] { return given(); }));
    guest_->silent = true;
    ASSERT_TRUE(pump([&] { return !status().as_requested(); })) << "nobody knows what it does";
    EXPECT_NE(status().problems.at(0).find("not heard any more"), std::string::npos);
    guest_->silent = false;
    ASSERT_TRUE(pump([&] { return given(); }));
}

/// Frames go to the standby already, and yet it has not left.
TEST_F(HostTest, ATakeIsOverdueWhereTheDownlinkIsOnTheStandby) {
    start();
    guest_->primary = GuestPrimary::present;
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::readying; }));
    guest_->silent = true;
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
    EXPECT_TRUE(status().overdue);
    EXPECT_FALSE(status().as_requested());
    host_.reset();
    start(); // which has never heard it, and finds it held
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
    EXPECT_TRUE(status().overdue);
    EXPECT_FALSE(status().as_requested());
    guest_->silent = false;
    guest_->primary = GuestPrimary::none;
    ASSERT_TRUE(pump([&] { return taken() && !status().held; }));
}

TEST_F(HostTest, AGuestThatIsNotAbleIsGivenNothing) {
    guest_->able = false;
    start();
    ASSERT_TRUE(pump([&] { return status().said.has_value(); }));
    EXPECT_EQ(status().phase, HostChannel::Phase::waiting);
    EXPECT_EQ(downlink(), DataPath::standby);
    EXPECT_FALSE(status().as_requested());
}

TEST_F(HostTest, ALostPrimaryIsLeftAtOnce) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    events_.clear();
    guest_->primary = GuestPrimary::present; // its carrier went
    ASSERT_TRUE(pump([&] { return downlink() == DataPath::standby && !events_.empty(); }));
    EXPECT_EQ(events_[0].kind, HostEvent::Kind::fallback);
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
}

/// Nobody in the guest says so: its controller was killed. With floods to the tap it is the kernel
/// that leaves the port, without them the daemon.
TEST_F(HostTest, APortWithoutACarrierIsLeftThoughTheGuestIsSilent) {
    for (const char *floods : {"on", "off"})
        for (bool give : {true, false}) {
            sh(fmt::format("bridge link set dev tap1 flood {}", floods));
            start();
            guest_->silent = false;
            guest_->primary = GuestPrimary::ready;
            host_->request("web1", true);
            ASSERT_TRUE(pump([&] { return given() && downlink() == DataPath::primary; }));
            events_.clear();
            guest_->silent = true;
            testbed::run({"ip", "-n", guest1().name(), "link", "set", "primary", "down"});
            if (!give) host_->request("web1", false);
            // Led there, and not only to all ports.
            ASSERT_TRUE(pump([&] {
                auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
                return entry && entry->port == link("tap1").index && !events_.empty();
            })) << floods;
            EXPECT_EQ(events_[0].kind, give ? HostEvent::Kind::fallback : HostEvent::Kind::take);
            EXPECT_EQ(status().downlink, DataPath::standby);
            testbed::run({"ip", "-n", guest1().name(), "link", "set", "primary", "up"});
            ASSERT_TRUE(pump([&] { return link("vf1").usable(); }));
            host_.reset();
        }
}

/// The next daemon reads back and goes on; nothing moves meanwhile, nor when it starts.
TEST_F(HostTest, ARestartMovesNothingAndKeepsTheRequest) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    unsigned moved = 0;
    for (bool give : {true, false}) {
        host_->request("web1", give);
        ASSERT_TRUE(pump([&] { return give ? given() : taken(); }));
        DataPath was = downlink();
        host_.reset();
        ASSERT_TRUE(pump([&] { return true; }));
        start();
        EXPECT_EQ(status().give, give);
        ASSERT_TRUE(pump([&] {
            moved += downlink() != was;
            return (give ? given() : taken()) && status().said;
        }));
        EXPECT_EQ(guest_->sends_by_primary(), give);
    }
    EXPECT_EQ(moved, 0u);
}

TEST_F(HostTest, ATapMayComeLateAndComeAnew) {
    spec_.standby = "late1";
    start();
    EXPECT_FALSE(status().tap);
    EXPECT_NE(status().problems.at(0).find("there is no device late1"), std::string::npos);
    EXPECT_THROW(host_->request("web1", false), Error);
    sh("ip link set tap1 down; ip link set tap1 name late1; ip link set late1 up");
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    sh("ip link set late1 down; ip link set late1 name else1; ip link set else1 up");
    ASSERT_TRUE(pump([&] { return !status().problems.empty(); }));
    EXPECT_NE(status().problems.at(0).find("is called else1 now"), std::string::npos);
    EXPECT_EQ(downlink(), DataPath::primary) << "delivery as before";
}

/// Its virtual machine was ended and started: what the one before it said is void, and where the
/// bridge sends meanwhile is the bridge's to learn.
TEST_F(HostTest, AGuestThatBeginsAnewIsNotReadyByItsFormersWord) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    auto processed = [&](auto predicate) {
        return testbed::until(
            [&] {
                host_->process();
                return predicate();
            },
            10s);
    };
    sh("ip link del tap1");
    ASSERT_TRUE(processed([&] { return !status().tap; }));
    auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
    EXPECT_FALSE(entry && entry->sticky) << "the bridge learns no more where it runs";
    sh("ip link add tap1 type veth peer name other; ip link set tap1 master br0 up; ip link set "
       "other up");
    ASSERT_TRUE(processed([&] { return status().tap && downlink() == DataPath::standby; }));
    EXPECT_NE(status().phase, HostChannel::Phase::given);
    EXPECT_FALSE(status().as_requested());
}

/// Names of taps are used again. Another guest behind it is not taken for this one, and gets
/// nothing that is this one's.
TEST_F(HostTest, ATapOfThatNameMayBeAnotherGuests) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    SmallGuest other(on(guest2(), "standby", HL_CHANNEL_ETHERTYPE),
                     *Mac::parse("52:54:00:77:99:99"));
    other.primary = GuestPrimary::ready;
    guest_->silent = true;
    sh("ip link set tap1 down; ip link set tap2 down; ip link set tap1 name old1; "
       "ip link set tap2 name tap1; ip link set old1 up; ip link set tap1 up");
    auto speaks = [&] {
        return testbed::until(
            [&, before = other.said] {
                host_->process();
                other.process();
                return other.said >= before + 10;
            },
            20s);
    };
    for (bool give : {true, false}) {
        ASSERT_TRUE(speaks());
        EXPECT_FALSE(status().said);
        EXPECT_FALSE(status().as_requested());
        EXPECT_NE(status().problems.at(0).find("52:54:00:77:99:99 is heard on tap1"),
                  std::string::npos);
        EXPECT_NE(downlink(), DataPath::primary) << "by another guest's word";
        auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
        EXPECT_FALSE(entry && entry->port == link("tap1").index) << "it would get its frames";
        if (give) host_->request("web1", false);
    }
    EXPECT_EQ(status().phase, HostChannel::Phase::taken);
}

/// Who migrates hither has a tap here already and still runs elsewhere: its frames are not led away
/// from it. When it has come, the bridge learns that by itself.
TEST_F(HostTest, WhoIsNotHeardIsNotHeldHere) {
    const std::string frame =
        "020000000009" + std::string(guest_mac) + "88b6" + std::string(100, '0');
    auto entry = [&] { return fdb_entry(rtnl_, link("br0").index, mac(), 0); };
    guest_->silent = true;
    for (bool learnt : {false, true}) {
        if (learnt) {
            on(guest2(), "standby").send(testbed::from_hex(frame));
            ASSERT_TRUE(testbed::until([&] { return entry().has_value(); }));
        }
        start();
        ASSERT_TRUE(pump([&] { return status().sent >= 10; })) << "long past every deadline";
        EXPECT_EQ(entry().has_value(), learnt);
        if (learnt) {
            EXPECT_EQ(entry()->port, link("tap2").index);
            EXPECT_FALSE(entry()->sticky);
            EXPECT_EQ(status().phase, HostChannel::Phase::absent);
        }
        EXPECT_TRUE(status().problems.empty());
        host_.reset();
    }
    start();
    guest_->silent = false;
    on(guest1(), "standby").send(testbed::from_hex(frame)); // as it announces itself
    ASSERT_TRUE(pump([&] { return status().said && status().downlink == DataPath::standby; }));
    EXPECT_FALSE(entry()->sticky) << "without a primary it may migrate at any moment";
    guest_->primary = GuestPrimary::present;
    ASSERT_TRUE(pump([&] { return status().held; }));
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
}

/// Whoever else sends with its address, the guest speaks on its own tap.
TEST_F(HostTest, ANeighbourWithItsAddressDoesNotMakeAGuestAbsent) {
    auto neighbour = on(guest2(), "standby");
    const auto frame =
        testbed::from_hex("020000000009" + std::string(guest_mac) + "88b6" + std::string(100, '0'));
    auto spoofed = [&] {
        neighbour.send(frame);
        auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
        return entry && entry->port == link("tap2").index;
    };
    start();
    ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::plugging; }));
    unsigned absent = 0;
    auto twice_heard = [&] {
        return pump([&, heard = guest_->said] {
            absent += spoofed() && status().phase == HostChannel::Phase::absent;
            return guest_->said >= heard + 2 && status().downlink == DataPath::unknown;
        });
    };
    ASSERT_TRUE(twice_heard());
    EXPECT_EQ(status().phase, HostChannel::Phase::plugging);
    EXPECT_NE(status().problems.at(0).find("tap2"), std::string::npos);
    host_->request("web1", false);
    ASSERT_TRUE(twice_heard());
    EXPECT_TRUE(taken()) << "it has none, and says so";
    EXPECT_EQ(absent, 0u);
    host_->request("web1", true);
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] {
        spoofed();
        return given();
    })) << "held, it moves no more";
}

TEST_F(HostTest, TwoGuestsWithOneAddressOnTwoTaps) {
    SmallGuest other(on(guest2(), "standby", HL_CHANNEL_ETHERTYPE), mac());
    other.primary = GuestPrimary::ready;
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] {
        other.process();
        return given() && guest_->sends_by_primary();
    }));
    EXPECT_EQ(other.heard, 0u) << "the host speaks on one's own tap alone";
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] {
        other.process();
        return taken();
    }));
}

TEST_F(HostTest, ATakeAfterTheTapWasRenamed) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    sh("ip link set tap1 down; ip link set tap1 name else1; ip link set else1 up");
    ASSERT_TRUE(pump([&] { return !status().problems.empty(); }));
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return guest_->vetoed(); })) << "it is told on the tap that it has";
    EXPECT_FALSE(status().as_requested());
    EXPECT_NE(status().problems.at(0).find("`ip link set else1 name tap1`"), std::string::npos);
    sh("ip link set else1 down; ip link set else1 name tap1; ip link set tap1 up");
    ASSERT_TRUE(pump([&] { return taken() && downlink() == DataPath::standby; }));
}

/// A description that cannot be followed changes nothing of the others.
TEST_F(HostTest, ADescriptionThatIsRefusedLeavesAllAsItWas) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    GuestSpec wrong = spec_;
    wrong.name = "web2";
    wrong.plug = {.monitor = "/nowhere", .device = "e1000e"};
    EXPECT_THROW(host_->reconfigure({spec_, wrong}), Error);
    ASSERT_EQ(host_->status().size(), 1u);
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken(); }));
}

TEST_F(HostTest, WhatIsNamedNoMoreIsLetGo) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->reconfigure({});
    EXPECT_TRUE(host_->status().empty());
    EXPECT_EQ(downlink(), DataPath::primary);
    EXPECT_FALSE(fdb_entry(rtnl_, link("br0").index, mac(), 0)->sticky);
    EXPECT_THROW(host_->request("web1", true), Error);
    host_->reconfigure({spec_});
    ASSERT_TRUE(pump([&] { return given(); }));
}

TEST_F(HostTest, WhatIsDescribedOtherwiseLeavesNothingBehind) {
    auto sticky = [&](const char *address) {
        auto entry = fdb_entry(rtnl_, link("br0").index, *Mac::parse(address), 0);
        return entry && entry->sticky;
    };
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken(); }));
    host_->request("web1", true);
    ASSERT_TRUE(pump([&] { return given(); }));
    ASSERT_TRUE(sticky(guest_mac));
    const GuestSpec former = spec_;

    uint64_t sent = status().sent;
    spec_.origin = "host.toml:7:1"; // a comment was written above it
    host_->reconfigure({spec_});
    EXPECT_GE(status().sent, sent) << "it is another conversation";
    EXPECT_TRUE(status().said);
    EXPECT_EQ(status().spec.origin, spec_.origin);

    spec_.mac = *Mac::parse("52:54:00:77:01:99");
    host_->reconfigure({spec_});
    EXPECT_FALSE(sticky(guest_mac));
    spec_ = former;
    host_->reconfigure({spec_});
    ASSERT_TRUE(pump([&] { return given(); }));
    spec_.primary = "tap2";
    host_->reconfigure({spec_});
    EXPECT_FALSE(sticky(guest_mac));
    spec_ = former;
    host_->reconfigure({spec_});
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken(); }));
    spec_.standby = "tap2";
    host_->reconfigure({spec_});
    EXPECT_FALSE(sticky(guest_mac));
    EXPECT_FALSE(status().give) << "what was requested of it is requested still";
    host_.reset();
    start();
    EXPECT_FALSE(status().give);
}

TEST_F(HostTest, ThereIsOneOfItsKind) {
    start();
    EXPECT_THROW(Host(Host::Options{{}}), AnotherHost);
}

TEST_F(HostTest, ByCommandsToo) {
    std::string file = state_dir() + "-path";
    spec_.move = {"sh", "-c", "echo $HITLESS_PATH > " + file};
    spec_.read = {"sh", "-c", "cat " + file};
    sh("echo standby > " + file);
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken(); }));
    sh("rm " + file);
    ASSERT_TRUE(pump([&] { return !status().problems.empty(); }));
    EXPECT_EQ(status().downlink, DataPath::unknown);
}

TEST_F(HostTest, ThirtyPerCentOfTheMessagesLost) {
    guest_->deaf_percent = 30;
    start();
    guest_->primary = GuestPrimary::ready;
    for (int i = 0; i < 20; i++) {
        host_->request("web1", true);
        ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
        host_->request("web1", false);
        ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
    }
    EXPECT_EQ(early_, 0u);
}

} // namespace
} // namespace hitless::test
