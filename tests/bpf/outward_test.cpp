// SPDX-License-Identifier: BSD-2-Clause
//
// Out of a failover device and into it: only by devices that are what they were, on every variant.
#include "tests/bpf/datapath.hpp"

#include <gtest/gtest.h>

namespace hitless::test {
namespace {

std::string name_of(hl_liveness variant) {
    static const char *names[] = {"Cast", "ProbeRead", "Netlink"};
    return names[variant];
}

/// "sby_far" plays the end of the failover device that stands beside the NICs.
class OutwardTest : public ::testing::TestWithParam<hl_liveness> {
  protected:
    void SetUp() override {
        if (!pair.dp.has(GetParam())) GTEST_SKIP() << "this kernel has no bpf_rdonly_cast";
        pair.dp.place(HL_PORT_MASTER, ifindex_of("sby_far"));
    }
    int out() { return run({p.hl_outward_cast, p.hl_outward_probe_read, p.hl_outward_netlink}); }
    int in(hl_role role) {
        return role == HL_ROLE_PRIMARY
                   ? run({p.hl_enter_primary_cast, p.hl_enter_primary_probe_read,
                          p.hl_enter_primary_netlink})
                   : run({p.hl_enter_standby_cast, p.hl_enter_standby_probe_read,
                          p.hl_enter_standby_netlink});
    }
    void choose_standby() { pair.dp.pair().veto = HL_VETO(OPERATOR); }
    void expect_dropped() {
        EXPECT_EQ(out(), TC_ACT_SHOT);
        EXPECT_EQ(pair.dp.counters(), "drop_no_device=1");
    }

    Pair pair;
    decltype(tc_bpf::progs) &p = pair.dp.skel().progs;

  private:
    int run(std::vector<bpf_program *> variants) {
        return pair.dp.run(variants[GetParam()], frame(own_mac, peer_mac), 0);
    }
};

TEST_P(OutwardTest, FramesLeaveByThePath) {
    EXPECT_EQ(out(), TC_ACT_REDIRECT);
    choose_standby();
    EXPECT_EQ(out(), TC_ACT_REDIRECT);
    EXPECT_EQ(pair.dp.counters(), "tx_primary=1 tx_standby=1");
}

TEST_P(OutwardTest, NotByTheNumberOfAStandbyThatMoved) {
    choose_standby();
    ip("link set sby netns " + Netns::make().path());
    expect_dropped();
}

TEST_P(OutwardTest, NotByTheNumberOfAStandbyThatWasDeleted) {
    choose_standby();
    ip("link del sby");
    expect_dropped();
}

TEST_P(OutwardTest, NorByOneThatWasNeverThere) {
    choose_standby();
    pair.dp.resolve(HL_ROLE_STANDBY, 0);
    expect_dropped();
}

/// Its hook goes along, and the NICs' numbers are other devices' there.
TEST_P(OutwardTest, NotFromWhereTheFailoverDeviceWent) {
    Netns elsewhere = Netns::make();
    ip("link set sby_far netns " + elsewhere.path());
    inside(elsewhere, [&] { expect_dropped(); });
}

/// The number of its end may be another device's by now.
TEST_P(OutwardTest, WithoutAFailoverDeviceNicsArePlainNics) {
    EXPECT_EQ(in(HL_ROLE_PRIMARY), TC_ACT_REDIRECT);
    EXPECT_EQ(in(HL_ROLE_STANDBY), TC_ACT_REDIRECT);
    ip("link set sby_far netns " + Netns::make().path());
    EXPECT_EQ(in(HL_ROLE_PRIMARY), TC_ACT_UNSPEC);
    EXPECT_EQ(in(HL_ROLE_STANDBY), TC_ACT_UNSPEC);
    EXPECT_EQ(pair.dp.counters(), "rx_primary=1 rx_standby=1");
}

INSTANTIATE_TEST_SUITE_P(Variant, OutwardTest,
                         ::testing::Values(HL_LIVENESS_CAST, HL_LIVENESS_PROBE_READ,
                                           HL_LIVENESS_NETLINK),
                         [](const auto &test) { return name_of(test.param); });

} // namespace
} // namespace hitless::test
