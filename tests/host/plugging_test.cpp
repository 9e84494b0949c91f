// SPDX-License-Identifier: BSD-2-Clause
//
// The daemon that also plugs: what the guest has, says and does, and what QEMU is told.
#include "tests/host/fake_qemu.hpp"
#include "tests/host/host_case.hpp"

#include <algorithm>
#include <poll.h>

namespace hitless::test {
namespace {

class PluggingTest : public HostCase {
  protected:
    using Json = nlohmann::json;

    PluggingTest() {
        spec_.plug = {.monitor = qemu_.path(),
                      .device = R"({"driver":"vfio-pci","id":"primary"})",
                      .limit = 300ms};
        qemu_.answer = [this](const Json &command) { return answer(command); };
    }

    /// A guest that has its NIC as soon as it is plugged, and lets go of it when asked.
    FakeQemu::Answer answer(const Json &command) {
        const std::string what = command["execute"];
        if (what == "query-status") return Json{{"status", "running"}};
        if (what == "qom-get") return Json(guest_mac);
        if (what == "query-migrate")
            return migration_.empty() ? Json::object() : Json{{"status", migration_}};
        if (what == "qom-list") {
            Json list = Json::array();
            if (plugged()) list.push_back({{"name", "primary"}, {"type", "child<vfio-pci>"}});
            return list;
        }
        if (what == "device_add") {
            early_plugs_ += !guest_->able;
            guest_->primary = GuestPrimary::ready;
        }
        if (what == "device_del") {
            early_unplugs_ += guest_->sends_by_primary() && !guest_->silent;
            going_ = true;
        }
        if (what == "system_reset") resets_++;
        return Json::object();
    }
    bool plugged() const { return guest_->primary != GuestPrimary::none; }
    size_t asked(const char *what) const {
        return static_cast<size_t>(std::ranges::count_if(
            qemu_.commands, [&](const Json &command) { return command["execute"] == what; }));
    }

    void migrate(const char *status) {
        migration_ = status;
        qemu_.event("MIGRATION", {{"status", status}});
    }

    /// All three live. Until it holds.
    template <typename Predicate>
    bool live(Predicate predicate) {
        return pump([&] {
            qemu_.work();
            if (going_ && releases_) {
                going_ = false;
                guest_->primary = GuestPrimary::none;
                qemu_.event("DEVICE_DELETED", {{"device", "primary"}});
            }
            return predicate();
        });
    }

    FakeQemu qemu_;
    std::string migration_;
    bool going_ = false;   ///< the guest is asked to release it
    bool releases_ = true; ///< and does
    unsigned early_plugs_ = 0, early_unplugs_ = 0, resets_ = 0;
};

TEST_F(PluggingTest, PlugsForAGuestThatIsAbleAndUnplugsWhenItHasLeft) {
    guest_->able = false;
    start();
    ASSERT_TRUE(live([&] { return status().said && status().device->plugged == false; }));
    EXPECT_EQ(asked("device_add"), 0u);
    guest_->able = true;
    ASSERT_TRUE(live([&] { return given(); }));
    EXPECT_EQ(asked("device_add"), 1u);
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return taken(); }));
    EXPECT_EQ(asked("device_del"), 1u);
    EXPECT_EQ(status().device->plugged, false);
    EXPECT_EQ(early_plugs_ + early_unplugs_ + early_, 0u);
    host_->request("web1", true);
    ASSERT_TRUE(live([&] { return given(); }));
}

TEST_F(PluggingTest, ATakeIsNotOverBeforeTheDeviceIsGone) {
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    releases_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return going_; }));
    EXPECT_EQ(status().phase, HostChannel::Phase::unplugging);
    EXPECT_FALSE(status().as_requested());
    releases_ = true;
    ASSERT_TRUE(live([&] { return taken(); }));
}

TEST_F(PluggingTest, AGuestThatKeepsItHasItBack) {
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    releases_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return going_ && downlink() == DataPath::standby; }));
    ASSERT_TRUE(live([&] { return status().give && guest_->sends_by_primary(); }));
    EXPECT_EQ(downlink(), DataPath::primary);
    EXPECT_TRUE(status().kept);
    EXPECT_NE(log_.back().find("did not release"), std::string::npos) << log_.back();
    EXPECT_EQ(resets_, 0u);
    releases_ = true;
    going_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return taken(); })) << "it is asked again";
    EXPECT_FALSE(status().kept);
}

TEST_F(PluggingTest, OrIsReset) {
    spec_.plug.reset_when_kept = true;
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    releases_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return resets_ == 1; }));
    releases_ = true; // as QEMU does at a reset
    qemu_.event("RESET", {{"guest", false}});
    ASSERT_TRUE(live([&] { return taken(); }));
    EXPECT_EQ(resets_, 1u);
}

/// What boots then may be anything.
TEST_F(PluggingTest, AResetWithdrawsItBeforeAnythingBoots) {
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    guest_->silent = true;
    releases_ = false;
    qemu_.event("RESET", {{"guest", true}, {"reason", "guest-reset"}});
    ASSERT_TRUE(live([&] { return resets_ == 1; }));
    EXPECT_TRUE(going_) << "a reset removes what is being unplugged, and nothing else";
    EXPECT_EQ(downlink(), DataPath::standby);
    releases_ = true;
    qemu_.event("RESET", {{"guest", false}, {"reason", "host-qmp-system-reset"}});
    ASSERT_TRUE(live([&] { return status().device->plugged == false; }));
    const Instant later = now() + 500ms;
    ASSERT_TRUE(live([&] { return now() > later; }));
    EXPECT_EQ(resets_, 1u);
    EXPECT_EQ(asked("device_add"), 1u) << "nobody there is able";
    guest_.emplace(on(guest1(), "standby", HL_CHANNEL_ETHERTYPE), mac());
    ASSERT_TRUE(live([&] { return given(); }));
    EXPECT_EQ(asked("device_add"), 2u);
}

TEST_F(PluggingTest, WhatIsRequestedIsRestoredWhenAMigrationIsGivenUp) {
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    migrate("active");
    ASSERT_TRUE(live([&] { return status().device->migrating; }));
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return status().phase == HostChannel::Phase::unplugging; }));
    const Instant later = now() + 500ms;
    ASSERT_TRUE(live([&] { return now() > later; }));
    EXPECT_EQ(asked("device_del"), 0u) << "QEMU would refuse it";
    EXPECT_FALSE(status().give) << "and no guest is blamed for it";
    migrate("cancelled");
    ASSERT_TRUE(live([&] { return taken(); }));
}

/// By native PCIe hotplug a reset removes nothing. Nobody is reset twice for it, or for nothing.
TEST_F(PluggingTest, ADeviceThatOutlivesAResetResetsNobodyAgain) {
    for (const bool reset_when_kept : {false, true}) {
        spec_.plug.reset_when_kept = reset_when_kept;
        resets_ = 0;
        guest_.emplace(on(guest1(), "standby", HL_CHANNEL_ETHERTYPE), mac());
        start();
        ASSERT_TRUE(live([&] { return given(); }));
        guest_->silent = true;
        releases_ = false;
        qemu_.event("RESET", {{"guest", true}});
        ASSERT_TRUE(live([&] { return resets_ == 1; }));
        qemu_.event("RESET", {{"guest", false}});
        const Instant later = now() + 1s; // the guest's time is 300 ms
        ASSERT_TRUE(live([&] { return now() > later; }));
        EXPECT_EQ(resets_, 1u);
        EXPECT_FALSE(status().kept) << "nobody took anything";
        host_.reset();
        qemu_.hang_up();
        going_ = false;
        releases_ = true;
        guest_->primary = GuestPrimary::none;
    }
}

TEST_F(PluggingTest, AMigrationEndsTheGuestsTime) {
    spec_.plug.reset_when_kept = true;
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    releases_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return going_ && status().device->since; }));
    migrate("active");
    ASSERT_TRUE(live([&] { return status().device->migrating; }));
    const Instant later = now() + 1s;
    ASSERT_TRUE(live([&] { return now() > later; }));
    EXPECT_EQ(resets_, 0u) << "in the middle of a migration";
    EXPECT_FALSE(status().give);
}

/// It was there at its power-on, and nobody took it.
TEST_F(PluggingTest, AGuestThatBootsForLongIsNeitherResetNorGivenAnything) {
    spec_.give = false;
    spec_.plug.reset_when_kept = true;
    guest_->primary = GuestPrimary::ready;
    guest_->silent = true;
    releases_ = false;
    start();
    ASSERT_TRUE(live([&] { return going_; }));
    const Instant later = now() + 1s;
    ASSERT_TRUE(live([&] { return now() > later; }));
    EXPECT_EQ(resets_, 0u);
    EXPECT_FALSE(status().give);
}

/// The guest has ended while it was asked: there is nothing to do until its tap is back.
TEST_F(PluggingTest, APendingTakeOfAGuestThatEndedCostsNothing) {
    start();
    ASSERT_TRUE(live([&] { return given(); }));
    releases_ = false;
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return going_ && status().device->since; }));
    qemu_.end();
    sh("ip link del tap1");
    ASSERT_TRUE(testbed::until(
        [&] {
            host_->process();
            return !status().tap;
        },
        10s));
    unsigned wakeups = 0;
    for (const Instant end = now() + 1s; now() < end; wakeups++) {
        pollfd one{host_->fd(), POLLIN, 0};
        poll(&one, 1, 100);
        host_->process();
    }
    EXPECT_LE(wakeups, 30u);
    EXPECT_EQ(resets_, 0u);
}

TEST_F(PluggingTest, WithoutTheMonitorTheDownlinkWorksOn) {
    guest_->primary = GuestPrimary::ready;
    qemu_.end();
    start();
    ASSERT_TRUE(live([&] { return downlink() == DataPath::primary; }));
    ASSERT_FALSE(status().problems.empty());
    EXPECT_NE(status().problems[0].find("-qmp unix:"), std::string::npos);
    EXPECT_FALSE(status().as_requested());
    host_->request("web1", false);
    ASSERT_TRUE(live([&] { return downlink() == DataPath::standby; }));
    EXPECT_FALSE(taken()) << "nobody knows that it is unplugged";
}

} // namespace
} // namespace hitless::test
