// SPDX-License-Identifier: BSD-2-Clause
//
// What the kernel tells of without an event of the link is heard all the same.
#include "tests/kernel/room.hpp"

#include <poll.h>
#include <set>

namespace hitless::test {
namespace {

class Monitor : public Room {
  protected:
    void SetUp() override {
        Room::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        say("ip link add name nic type veth peer name far && ip link set dev nic up");
        monitor_.emplace();
    }
    Ifindex nic() { return rtnl().link("nic").value().index; }

    struct Heard {
        std::set<Ifindex> changed, forwarding;
    };
    Heard heard() {
        Heard out;
        pollfd ready{monitor_->fd(), POLLIN, 0};
        EXPECT_EQ(poll(&ready, 1, 10'000), 1) << "nothing was told";
        EXPECT_TRUE(monitor_->drain({
            .changed = [&](const Link &link) { out.changed.insert(link.index); },
            .gone = [](Ifindex) {},
            .tc = [](Ifindex) {},
            .forwarding = [&](Ifindex index) { out.forwarding.insert(index); },
        }));
        return out;
    }

  private:
    std::optional<LinkMonitor> monitor_;
};

TEST_F(Monitor, HearsThatADeviceRoutesOrNoLonger) {
    for (const char *family : {"ipv4", "ipv6"})
        for (const char *word : {"1", "0"}) {
            say(std::string("echo ") + word + " > /proc/sys/net/" + family +
                "/conf/nic/forwarding");
            const Heard told = heard();
            EXPECT_TRUE(told.forwarding.contains(nic())) << family << " " << word;
            EXPECT_TRUE(told.changed.empty()) << "an event of the link would have been enough";
        }
}

TEST_F(Monitor, HearsItOfEachDeviceWhenAllBeginToRoute) {
    say("echo 1 > /proc/sys/net/ipv4/ip_forward");
    EXPECT_TRUE(heard().forwarding.contains(nic()));
}

TEST_F(Monitor, TakesNoOtherSettingForForwarding) {
    say("echo 2 > /proc/sys/net/ipv4/conf/nic/rp_filter");
    say("ip link set dev nic mtu 1400"); // or nothing would be told
    const Heard told = heard();
    EXPECT_TRUE(told.forwarding.empty());
    EXPECT_TRUE(told.changed.contains(nic()));
}

} // namespace
} // namespace hitless::test
