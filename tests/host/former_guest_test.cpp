// SPDX-License-Identifier: BSD-2-Clause
//
// What outlives a daemon, a guest or a description: what must be known of it later, and what must
// not be left.
#include "tests/host/host_case.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

namespace hitless::test {
namespace {

class FormerGuest : public HostCase {
  protected:
    /// Programs that are pinned.
    size_t programs() const {
        size_t out = 0;
        for (const auto &file : std::filesystem::recursive_directory_iterator(state_dir() + "/bpf"))
            for (const char *side : {"in_", "out_"})
                out += file.path().filename().string().starts_with(side);
        return out;
    }
    void remove_pins() const {
        for (const auto &dir : std::filesystem::directory_iterator(state_dir() + "/bpf"))
            if (dir.path().filename().string().starts_with("host-"))
                std::filesystem::remove_all(dir.path());
    }
    /// A bridge set as badly as it can be.
    static void forward_everything() {
        sh("ip link set br0 type bridge group_fwd_mask 65528");
        for (const char *port : {"tap1", "uplink"})
            testbed::run(
                {"ip", "link", "set", port, "type", "bridge_slave", "group_fwd_mask", "65528"});
    }
    static std::string frame_from(const std::string &mac) {
        return "020000000009" + mac + "88b6" + std::string(100, '0');
    }
};

/// By whatever it is delivered, and whichever daemon gave it its primary.
TEST_F(FormerGuest, WhoDidNotAnswerATakeIsNotTakenForOneThatHasLeft) {
    const std::string file = state_dir() + "-path";
    spec_.move = {"sh", "-c", "echo $HITLESS_PATH > " + file};
    spec_.read = {"cat", file};
    sh("echo standby > " + file);
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    guest_->silent = true;
    host_->request("web1", false);
    for (int daemon = 0; daemon < 3; daemon++) {
        ASSERT_TRUE(pump([&] { return status().phase == HostChannel::Phase::taken; }));
        EXPECT_TRUE(guest_->sends_by_primary());
        EXPECT_TRUE(status().overdue) << daemon;
        EXPECT_FALSE(status().as_requested()) << daemon;
        host_.reset();
        start();
    }
    guest_->silent = false;
    ASSERT_TRUE(pump([&] { return taken(); }));
    guest_->silent = true;
    host_.reset();
    start();
    ASSERT_TRUE(pump([&] { return taken(); })) << "it has said that it left";
    sh("rm " + file);
}

/// The virtual machine ends while no daemon runs, and another one begins without hitless in it.
TEST_F(FormerGuest, LeavesNothingToWhoComesWhileNoDaemonRuns) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_.reset();
    sh("ip link del tap1; ip link add tap1 type veth peer name other; ip link set tap1 master br0 "
       "up; ip link set other up");
    guest_.reset();
    start();
    testbed::PacketSocket other("other", 0x88b6);
    EXPECT_TRUE(pump([&] {
        other.send(testbed::from_hex(frame_from(guest_mac)));
        auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
        return entry && entry->port == link("tap1").index;
    })) << "what it sends does not lead frames to it";
    EXPECT_FALSE(status().as_requested());
    EXPECT_NE(status().phase, HostChannel::Phase::given);
}

/// It goes on speaking for the length of its lease.
TEST_F(FormerGuest, IsHeardByNobodyElseWhenItIsNamedNoMore) {
    forward_everything();
    auto lan = on(far(), "lan", HL_CHANNEL_ETHERTYPE);
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->reconfigure({});
    on(guest1(), "standby").send(guest_->last_said);
    EXPECT_EQ(waiting(lan, 300ms), 0u);
    EXPECT_EQ(programs(), 2u);
    guest_.reset();
    sh("ip link del tap1");
    EXPECT_TRUE(pump([&] { return programs() == 0; })) << "with the tap the programs go";
}

/// Daemons and descriptions come and go, and taps are renamed: the programs are replaced in place,
/// so that at no moment a frame of the channel gets out of its own wire.
TEST_F(FormerGuest, IsHeardByNobodyElseWhileDaemonsComeAndGo) {
    forward_everything();
    auto lan = on(far(), "lan", HL_CHANNEL_ETHERTYPE);
    auto wire = on(guest1(), "standby");
    wire.bypass_tc();
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    std::atomic<unsigned> sent{0};
    std::jthread speaks([&, frame = guest_->last_said](const std::stop_token &stop) {
        for (; !stop.stop_requested(); std::this_thread::sleep_for(100us)) {
            wire.send(frame);
            sent++;
        }
    });
    for (int i = 0; i < 3; i++) {
        host_.reset();
        start();
        host_->reconfigure({});
        host_->reconfigure({spec_});
        sh("ip link set tap1 name else1 && ip link set else1 name tap1");
        const unsigned before = sent;
        ASSERT_TRUE(pump([&] { return status().tap && sent > before + 20; }));
    }
    speaks.request_stop();
    speaks.join();
    EXPECT_EQ(waiting(lan, 300ms), 0u) << "of " << sent;
}

/// Taken, gone to another machine and back: what is kept meanwhile is what was requested, whichever
/// daemon is asked, and frames go where the guest is.
TEST_F(FormerGuest, WhoRanElsewhereComesBackToWhatIsRequested) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken() && !status().held; }));
    guest_->silent = true;
    auto elsewhere = on(guest2(), "standby");
    auto absent = [&] {
        return pump([&] {
            elsewhere.send(testbed::from_hex(frame_from(guest_mac)));
            return status().phase == HostChannel::Phase::absent;
        });
    };
    auto led_elsewhere = [&] {
        auto entry = fdb_entry(rtnl_, link("br0").index, mac(), 0);
        return entry && entry->port == link("tap2").index && !entry->sticky;
    };
    for (bool give : {false, true}) {
        if (give) host_->request("web1", true);
        for (int daemon = 0; daemon < 2; daemon++) {
            ASSERT_TRUE(absent()) << give << daemon;
            EXPECT_EQ(status().give, give) << daemon;
            EXPECT_EQ(status().as_requested(), !give) << daemon;
            EXPECT_FALSE(status().overdue) << "it has said that it left";
            EXPECT_TRUE(led_elsewhere()) << give << daemon;
            host_.reset();
            start();
        }
    }
    guest_->silent = false;
    on(guest1(), "standby")
        .send(testbed::from_hex(frame_from(guest_mac))); // as it announces itself
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    EXPECT_EQ(early_, 0u);
}

TEST_F(FormerGuest, ProgramsThatSomebodyTookAwayComeBack) {
    start();
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return given(); }));
    remove_pins();
    ASSERT_TRUE(pump([&] {
        return std::ranges::any_of(log_, [](const std::string &line) {
            return line.find("took our programs off tap1") != std::string::npos;
        });
    }));
    EXPECT_EQ(programs(), 2u);
    host_->request("web1", false);
    ASSERT_TRUE(pump([&] { return taken() && status().said; })) << "it is heard";
    EXPECT_FALSE(events_.back().overdue);
    host_.reset();
    start();
    EXPECT_FALSE(status().give) << "and what is requested is kept";
}

} // namespace
} // namespace hitless::test
