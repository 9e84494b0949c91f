// SPDX-License-Identifier: BSD-2-Clause
//
// A give that is refused: the guest does not get by being heard what it does not get by being given
// it, and neither the guest nor the host pays for the asking.
#include "tests/host/host_case.hpp"

#include <cerrno>
#include <fstream>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hitless::test {
namespace {

/// This thread has not that right for a while.
class WithoutCapability {
  public:
    explicit WithoutCapability(unsigned capability) {
        EXPECT_EQ(syscall(SYS_capget, &header_, before_), 0);
        __user_cap_data_struct less[_LINUX_CAPABILITY_U32S_3]{before_[0], before_[1]};
        less[capability / 32].effective &= ~(1u << capability % 32);
        EXPECT_EQ(syscall(SYS_capset, &header_, less), 0);
    }
    ~WithoutCapability() { syscall(SYS_capset, &header_, before_); }
    WithoutCapability(const WithoutCapability &) = delete;
    WithoutCapability &operator=(const WithoutCapability &) = delete;

  private:
    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct before_[_LINUX_CAPABILITY_U32S_3]{};
};

class RefusedGive : public HostCase {
  protected:
    static void limit(bool on) {
        sh(on ? "tc qdisc add dev tap1 root tbf rate 800mbit burst 100k latency 50ms"
              : "tc qdisc del dev tap1 root");
    }
    /// As a guest that sends by its primary whatever is requested.
    void send_by_primary() {
        on(guest1(), "primary")
            .send(testbed::from_hex("020000000009" + std::string(guest_mac) + "88b6" +
                                    std::string(100, '0')));
    }
    std::optional<FdbEntry> entry() { return fdb_entry(rtnl_, link("br0").index, mac(), 0); }
    bool refused() {
        const GuestStatus now = status();
        return !now.problems.empty() && now.problems[0].find("qdisc tbf") != std::string::npos;
    }
};

TEST_F(RefusedGive, IsNotHadByBeingHeardThere) {
    limit(true);
    send_by_primary();
    ASSERT_TRUE(testbed::until([&] { return downlink() == DataPath::primary; })) << "it is learnt";
    guest_->primary = GuestPrimary::ready;
    start();
    ASSERT_TRUE(pump([&] { return status().said && refused() && status().held; }));
    for (int i = 0; i < 50; i++) {
        send_by_primary();
        pump([] { return true; });
        EXPECT_EQ(downlink(), DataPath::standby);
        EXPECT_NE(status().phase, HostChannel::Phase::given);
    }
    ASSERT_TRUE(pump([&] { return guest_->host() && guest_->vetoed(); }))
        << "it is told not to send there";
    EXPECT_EQ(guest_->host()->downlink, DataPath::standby);
    EXPECT_TRUE(events_.empty()) << "nothing was given, and nothing was lost";
    limit(false);
    ASSERT_TRUE(pump([&] { return given() && guest_->sends_by_primary(); }));
    EXPECT_TRUE(entry()->sticky);
}

/// As the packaged service is confined: the kernel does not tell it how programs are called, its
/// own neither. They are none that a primary would bypass.
TEST_F(RefusedGive, ItsOwnProgramsBarNobodyWhereNamesAreNotTold) {
    start();
    {
        const WithoutCapability confined(CAP_SYS_ADMIN);
        guest_->primary = GuestPrimary::ready;
        EXPECT_TRUE(pump([&] { return given(); })) << status().problems.size();
        sh("tc qdisc add dev tap1 clsact; tc filter add dev tap1 ingress bpf bytecode '1,6 0 0 0' "
           "direct-action");
        EXPECT_NE(what_bars(spec_).find("clsact filter on its ingress"), std::string::npos)
            << "the control: " << what_bars(spec_);
    }
}

/// Where nothing is in the way, what was learnt is held and told as a give.
TEST_F(RefusedGive, WhatMayBeGivenIsHeld) {
    send_by_primary();
    ASSERT_TRUE(testbed::until([&] { return downlink() == DataPath::primary; }));
    guest_->primary = GuestPrimary::ready;
    start();
    unsigned moved = 0;
    ASSERT_TRUE(pump([&] {
        moved += downlink() != DataPath::primary;
        return given();
    }));
    EXPECT_TRUE(entry()->sticky);
    EXPECT_EQ(moved, 0u);
}

TEST_F(RefusedGive, SilencesNobodyAndIsNamedUntilItIsMade) {
    spec_.give = false;
    guest_->primary = GuestPrimary::ready;
    start();
    ASSERT_TRUE(pump([&] { return taken() && status().said; }));
    limit(true);
    host_->request("web1", true);
    ASSERT_TRUE(pump([&] { return refused(); }));
    // Its controller is started anew: both hear each other again.
    guest_.emplace(on(guest1(), "standby", HL_CHANNEL_ETHERTYPE), mac());
    guest_->primary = GuestPrimary::ready;
    ASSERT_TRUE(pump([&] { return guest_->host() && guest_->host()->want == DataPath::primary; }));
    const unsigned heard = guest_->heard;
    unsigned unnamed = 0;
    ASSERT_TRUE(pump([&] {
        unnamed += !refused();
        return guest_->heard >= heard + 3;
    })) << "a word each second, or its lease ends";
    EXPECT_EQ(unnamed, 0u);
    EXPECT_TRUE(guest_->vetoed());
    limit(false);
    ASSERT_TRUE(pump([&] { return given(); }, 3s)) << "sooner than it would have been asked again";
}

/// A guest that was ready once, and is silent since, may not be so any more.
TEST_F(RefusedGive, WhoIsSilentIsGivenNothing) {
    spec_.give = false;
    guest_->primary = GuestPrimary::ready;
    start();
    ASSERT_TRUE(pump([&] { return taken() && status().said; }));
    limit(true);
    host_->request("web1", true);
    ASSERT_TRUE(pump([&] { return refused(); }));
    guest_->silent = true;
    ASSERT_TRUE(pump([&] { return status().silent; }));
    limit(false);
    const uint64_t sent = status().sent;
    ASSERT_TRUE(pump([&] { return status().sent >= sent + 2; }));
    EXPECT_EQ(downlink(), DataPath::standby);
    guest_->silent = false;
    ASSERT_TRUE(pump([&] { return given(); }));
}

} // namespace
} // namespace hitless::test
