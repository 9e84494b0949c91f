// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses: IPv6 duplicate detection, and names resolved anew, through both paths.
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "testbed/process.hpp"

namespace hitless::selftest {
namespace {

class Addresses : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        // Without the nonce of RFC 7527 an echoed solicitation is taken for a duplicate.
        for (const char *dev : {"all", "default", "standby", "primary"})
            bed().guest().sysctl(fmt::format("net/ipv6/conf/{}/enhanced_dad", dev), "0");
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    std::string addresses(const std::string &ifname) const {
        return spawn({"ip", "-n", pair_->home_of(ifname), "-6", "addr", "show", "dev", ifname});
    }
};

TEST_P(Addresses, DuplicateDetectionSucceeds) {
    ASSERT_TRUE(bed().addresses_ready(pair().master()));
    const auto echoes = pair().counter("drop_echo");
    for (const char *path : {"standby", "primary"}) {
        ASSERT_EQ(pair().cli({"switch", "standby", path, "--wait"}).code, 0);
        const std::string address = fmt::format("fd77::{}/64", *path == 's' ? "51" : "52");
        spawn({"ip", "-n", bed().guest().name(), "addr", "add", address, "dev", pair().master()});
        ASSERT_NE(addresses(pair().master()).find("tentative"), std::string::npos)
            << "detection is off";
        EXPECT_TRUE(bed().addresses_ready(pair().master())) << path << "\n"
                                                            << addresses(pair().master());
    }
    EXPECT_GT(pair().counter("drop_echo"), echoes)
        << "no solicitation came back: nothing was proved";
    EXPECT_EQ(addresses("primary"), "") << "the primary has an address of its own";
}

TEST_P(Addresses, NeighboursAreFoundAndAnswerThroughBothPaths) {
    ASSERT_TRUE(bed().addresses_ready(pair().master()));
    for (const char *path : {"standby", "primary"}) {
        ASSERT_EQ(pair().cli({"switch", "standby", path, "--wait"}).code, 0);
        const auto before = pair().counter(fmt::format("tx_{}", path));
        for (const char *far : {Testbed::far4, Testbed::far6}) {
            spawn({"ip", "-n", bed().guest().name(), "neigh", "flush", "dev", pair().master()});
            spawn({"ip", "-n", bed().far().name(), "neigh", "flush", "dev", "lan"});
            EXPECT_TRUE(ping(bed().guest(), far, default_patience)) << path << " " << far;
        }
        EXPECT_GE(pair().counter(fmt::format("tx_{}", path)), before + 4)
            << "resolution and echo, twice";
    }
}

HL_INSTANTIATE_MODELS(Addresses);

} // namespace
} // namespace hitless::selftest
