// SPDX-License-Identifier: BSD-2-Clause
//
// Plugging by QEMU's monitor: what is ordered, what is known, and what is not believed.
#include "loader/core/error.hpp"
#include "loader/host/monitor.hpp"
#include "tests/host/fake_qemu.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <utility>

namespace hitless::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr const char *device = R"({"driver":"vfio-pci","id":"primary","bus":"rp1"})";
const Mac nic = *Mac::parse("52:54:00:12:34:56");

class QmpMonitorTest : public testing::Test {
  protected:
    QmpMonitorTest() {
        qemu_.answer = [this](const Json &command) { return answer(command); };
    }

    FakeQemu::Answer answer(const Json &command) {
        const std::string what = command["execute"];
        if (what == "query-status") return Json{{"status", status_}};
        if (what == "query-migrate")
            return migration_.empty() ? Json::object() : Json{{"status", migration_}};
        if (what == "qom-get") {
            const std::string path = command["arguments"]["path"];
            if (path.ends_with("/net0")) return Json(mac_);
            return std::string("Property 'pcie-root-port.mac' not found");
        }
        if (what == "qom-list") {
            Json list = Json::array({{{"name", "type"}, {"type", "string"}},
                                     {{"name", "net0"}, {"type", "child<virtio-net-pci>"}},
                                     {{"name", "rp1"}, {"type", "child<pcie-root-port>"}}});
            if (plugged_) list.push_back({{"name", "primary"}, {"type", "child<vfio-pci>"}});
            return list;
        }
        if (!refusal_.empty() && what.starts_with("device_")) return refusal_;
        if (what == "device_add") plugged_ = true;
        if (what == "system_reset" && !reset_refusal_.empty()) return reset_refusal_;
        return Json::object();
    }

    void run(Instant time = 0ms) {
        now_ += time;
        for (int i = 0; i < 8; i++) {
            monitor_->process(now_);
            qemu_.work();
        }
        monitor_->process(now_);
    }
    /// As whoever keeps the guest does: again and again.
    void until_quiet(bool plugged) {
        for (int i = 0; i < 4; i++) {
            plugged ? monitor_->plug(now_) : monitor_->unplug(now_);
            run();
        }
    }
    size_t asked(const std::string &what) const {
        return static_cast<size_t>(std::ranges::count_if(
            qemu_.commands, [&](const Json &c) { return c["execute"] == what; }));
    }
    void migrate(const std::string &status) {
        migration_ = status;
        qemu_.event("MIGRATION", {{"status", status}});
        run();
    }
    const Monitor::State &state() const { return monitor_->state(); }

    FakeQemu qemu_;
    std::string status_ = "running", migration_, mac_ = nic.text(), refusal_, reset_refusal_;
    bool plugged_ = false;
    Instant now_ = 100s;
    std::unique_ptr<Monitor> monitor_ = monitor_by_qmp(qemu_.path(), device, nic);
};

TEST_F(QmpMonitorTest, PlugsOnceAndUnplugsOnce) {
    run();
    EXPECT_TRUE(state().ready) << state().problem;
    EXPECT_EQ(state().plugged, false);
    until_quiet(true);
    EXPECT_EQ(state().plugged, true);
    ASSERT_EQ(asked("device_add"), 1u);
    const auto add = std::ranges::find(qemu_.commands, "device_add",
                                       [](const Json &command) { return command["execute"]; });
    EXPECT_EQ((*add)["arguments"], Json::parse(device));
    until_quiet(false);
    EXPECT_EQ(asked("device_del"), 1u) << "the guest is waited for";
    EXPECT_EQ(state().plugged, true);
    EXPECT_TRUE(state().since);
    plugged_ = false;
    qemu_.event("DEVICE_DELETED", {{"path", "/machine/peripheral/primary/virtio-backend"}});
    qemu_.event("DEVICE_DELETED", {{"device", "another"}});
    run();
    EXPECT_EQ(state().plugged, true);
    qemu_.event("DEVICE_DELETED", {{"device", "primary"}});
    run();
    EXPECT_EQ(state().plugged, false);
    EXPECT_FALSE(state().since);
}

TEST_F(QmpMonitorTest, WhatIsThereAlreadyIsSeenAndWhatOthersDoWithinSeconds) {
    plugged_ = true;
    run();
    EXPECT_EQ(state().plugged, true);
    until_quiet(true);
    EXPECT_EQ(asked("device_add"), 0u);
    plugged_ = false;
    run(6s);
    EXPECT_EQ(state().plugged, false);
}

TEST_F(QmpMonitorTest, WhatQemuRefusesIsSaidAndTriedOnceASecond) {
    refusal_ = "Bus 'rp1' not found";
    run();
    until_quiet(true);
    EXPECT_EQ(asked("device_add"), 1u);
    EXPECT_EQ(state().plugged, false);
    EXPECT_NE(state().problem.find(refusal_), std::string::npos) << state().problem;
    run(1100ms);
    refusal_.clear();
    until_quiet(true);
    EXPECT_EQ(asked("device_add"), 2u);
    EXPECT_EQ(state().plugged, true);
    EXPECT_EQ(state().problem, "");
}

TEST_F(QmpMonitorTest, AGuestThatDoesNotReleaseItIsNamed) {
    plugged_ = true;
    run();
    until_quiet(false);
    qemu_.event("DEVICE_UNPLUG_GUEST_ERROR", {{"device", "primary"}});
    run();
    EXPECT_NE(state().problem.find("guest refuses"), std::string::npos) << state().problem;
    EXPECT_FALSE(state().since);
    run(1100ms);
    until_quiet(false);
    EXPECT_EQ(asked("device_del"), 2u);
}

TEST_F(QmpMonitorTest, WhileAMigrationRunsNothingIsOrdered) {
    for (const bool plug : {true, false}) {
        plugged_ = !plug;
        run(6s);
        qemu_.commands.clear();
        migrate("setup");
        migrate("active");
        EXPECT_TRUE(state().migrating);
        until_quiet(plug);
        EXPECT_EQ(asked("device_add") + asked("device_del"), 0u);
        migrate("cancelled");
        until_quiet(plug);
        EXPECT_EQ(asked("device_add") + asked("device_del"), 1u) << "and after it as was requested";
    }
}

TEST_F(QmpMonitorTest, AMigrationThatRanBeforeWeCameIsKnown) {
    migration_ = "active";
    run();
    EXPECT_TRUE(state().migrating);
    EXPECT_FALSE(state().ready);
}

TEST_F(QmpMonitorTest, AGuestThatIsNotHereIsGivenNothing) {
    for (const char *status : {"inmigrate", "postmigrate", "finish-migrate"}) {
        status_ = status;
        run(6s);
        EXPECT_TRUE(state().elsewhere) << status;
        until_quiet(true);
    }
    EXPECT_EQ(asked("device_add"), 0u);
    status_ = "running";
    qemu_.event("RESUME");
    run();
    until_quiet(true);
    EXPECT_EQ(asked("device_add"), 1u) << "it has arrived";
}

TEST_F(QmpMonitorTest, AResetIsToldOnceAndOursIsNone) {
    run();
    EXPECT_FALSE(monitor_->take_reset());
    qemu_.event("RESET", {{"guest", true}, {"reason", "guest-reset"}});
    run();
    EXPECT_TRUE(monitor_->take_reset());
    EXPECT_FALSE(monitor_->take_reset());
    monitor_->reset(now_);
    monitor_->reset(now_);
    run();
    EXPECT_EQ(asked("system_reset"), 1u);
    qemu_.event("RESET", {{"guest", false}, {"reason", "host-qmp-system-reset"}});
    run();
    EXPECT_FALSE(monitor_->take_reset());
}

TEST_F(QmpMonitorTest, AResetThatIsRefusedHidesNoneOfTheGuests) {
    run();
    reset_refusal_ = "not now";
    monitor_->reset(now_);
    run();
    ASSERT_EQ(asked("system_reset"), 1u);
    qemu_.event("RESET", {{"guest", true}});
    run();
    EXPECT_TRUE(monitor_->take_reset());
    monitor_->reset(now_);
    run();
    EXPECT_EQ(asked("system_reset"), 2u) << "and it may be ordered again";
}

TEST_F(QmpMonitorTest, AnotherMachinesMonitorIsNotObeyed) {
    mac_ = "52:54:00:99:99:99";
    plugged_ = true;
    run();
    until_quiet(false);
    EXPECT_EQ(asked("device_del"), 0u);
    EXPECT_NE(state().problem.find("mend `monitor`"), std::string::npos) << state().problem;
    // It may be restarted as the right one.
    mac_ = nic.text();
    qemu_.hang_up();
    run();
    run(2s);
    EXPECT_TRUE(state().ready) << state().problem;
}

TEST_F(QmpMonitorTest, WhatWasKnownIsVoidWhenQemuEnds) {
    run();
    until_quiet(true);
    qemu_.end();
    run();
    EXPECT_FALSE(state().plugged);
    EXPECT_FALSE(state().ready);
    EXPECT_NE(state().problem, "");
}

/// It pins the guest's memory; QEMU answers nothing else meanwhile.
TEST_F(QmpMonitorTest, AnAddThatTakesAMinuteIsWaitedFor) {
    run();
    qemu_.answers = false;
    monitor_->plug(now_);
    for (int i = 0; i < 60; i++)
        run(1s);
    EXPECT_EQ(qemu_.clients, 1u) << state().problem;
    EXPECT_EQ(state().problem, "");
    plugged_ = true;
    qemu_.answers = true;
    qemu_.say(Json{{"return", Json::object()}, {"id", qemu_.commands.back()["id"]}});
    run();
    EXPECT_EQ(state().plugged, true);
    EXPECT_EQ(asked("device_add"), 1u);
}

TEST_F(QmpMonitorTest, NativeHotplugThatIsUnderWayIsNoRefusal) {
    for (const char *words : {"Device primary is already in the process of unplug",
                              "Hot-unplug failed: guest is busy (power indicator blinking)"}) {
        plugged_ = true;
        run(6s);
        refusal_ = words;
        until_quiet(false);
        EXPECT_EQ(state().problem, "");
        EXPECT_TRUE(state().since);
        monitor_->stay();
        refusal_.clear();
    }
}

TEST_F(QmpMonitorTest, WhatWasRefusedIsOverWhenNobodyWantsItAnyMore) {
    refusal_ = "Duplicate device ID 'primary'"; // somebody else was quicker
    run();
    until_quiet(true);
    EXPECT_NE(state().problem, "");
    plugged_ = true;
    run(6s);
    monitor_->stay();
    run();
    EXPECT_EQ(state().problem, "");
    EXPECT_EQ(state().plugged, true);
}

TEST_F(QmpMonitorTest, AGuestThatEjectsWhatItGetsIsGivenItLessAndLessOften) {
    run();
    for (const Instant end = now_ + 120s; now_ < end; run(100ms)) {
        monitor_->plug(now_);
        run();
        if (!std::exchange(plugged_, false)) continue;
        qemu_.event("DEVICE_DELETED", {{"device", "primary"}});
    }
    EXPECT_LE(asked("device_add"), 9u);
    EXPECT_GE(asked("device_add"), 6u);
}

TEST_F(QmpMonitorTest, AfterAResetNothingIsBelievedBeforeItWasLookedAt) {
    plugged_ = true;
    run();
    until_quiet(false);
    qemu_.answers = false;
    qemu_.event("RESET", {{"guest", true}});
    run();
    EXPECT_FALSE(state().plugged) << "it may be out: the event comes late";
    EXPECT_FALSE(state().ready);
    EXPECT_FALSE(state().since);
}

TEST_F(QmpMonitorTest, ADeviceThatIsNoneIsRefused) {
    for (const char *text :
         {"", "e1000e", "[]", R"({"driver":"x"})", R"({"id":"x"})", R"({"driver":1,"id":"x"})"})
        EXPECT_THROW(monitor_by_qmp(qemu_.path(), text, nic), Error) << text;
}

} // namespace
} // namespace hitless::test
