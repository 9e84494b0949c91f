// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses with a lifetime, as a DHCP client gives them: who renews them is not led astray without
// a word, and what nobody renews is not healthy.
#include "loader/kernel/fd.hpp"
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"
#include "testbed/until.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

namespace hitless::selftest {
namespace {

constexpr auto address = "192.0.2.2/24";

class Renewal : public PairTest {
  protected:
    void give(int seconds, const std::string &dev = "standby") {
        const std::string life = std::to_string(seconds);
        spawn({"ip", "-n", pair_->guest().name(), "addr", "replace", address, "dev", dev,
               "valid_lft", life, "preferred_lft", life});
    }
    bool moves() const { return pair_->model_row().has_failover; }
    Outcome attach_once() const {
        return pair_->cli({"attach", "standby", "--primary", "mac", "--hold-down", "20", "--model",
                           pair_->model()});
    }
    /// What a client of DHCP has open: a packet socket bound to a device.
    Fd listener(const std::string &dev) {
        return in_netns(pair_->guest(), [&] {
            Fd out(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
            sockaddr_ll at{};
            at.sll_family = AF_PACKET;
            at.sll_protocol = htons(ETH_P_ALL);
            at.sll_ifindex = static_cast<int>(if_nametoindex(dev.c_str()));
            EXPECT_EQ(bind(out.get(), reinterpret_cast<sockaddr *>(&at), sizeof(at)), 0);
            return out;
        });
    }
    bool has_problem(const std::string &words) const {
        const Json status = pair_->status();
        for (const auto &problem : status["problems"])
            if (problem.get<std::string>().find(words) != std::string::npos) return true;
        return false;
    }
};

TEST_P(Renewal, AClientThatListensIsInTheWayOfAMove) {
    give(3600);
    {
        const Fd client = listener("standby");
        const Outcome refused = attach_once();
        EXPECT_EQ(refused.code, moves() ? 1 : 0) << refused.shown();
        if (!moves()) return;
        EXPECT_NE(refused.err.find(fmt::format("(process {})", getpid())), std::string::npos)
            << refused.shown();
        EXPECT_NE(refused.err.find(address), std::string::npos) << refused.shown();
        EXPECT_EQ(pair().status(), nullptr);
    }
    const Outcome attached = attach_once();
    EXPECT_EQ(attached.code, 0) << attached.shown();
    EXPECT_NE(attached.err.find("unless somebody renews it"), std::string::npos)
        << attached.shown();
    EXPECT_FALSE(has_problem(address)) << "it has just begun";
    const Fd client = listener(pair().master());
    const Outcome detached = pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.shown();
    EXPECT_NE(detached.err.find("start it on standby"), std::string::npos) << detached.shown();
}

TEST_P(Renewal, WhoeverListensToAnAddressForEverIsNotAsked) {
    const Fd client = listener("standby");
    const Outcome attached = attach_once();
    EXPECT_EQ(attached.code, 0) << attached.shown();
}

TEST_P(Renewal, WhatNobodyRenewsIsNotHealthy) {
    if (!moves()) GTEST_SKIP() << "nothing moves, and whoever renewed it goes on";
    give(8);
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(until([&] { return has_problem("nobody renews it"); })) << pair().status();
    EXPECT_FALSE(pair().status()["healthy"]);
    give(3600, pair().master());
    EXPECT_FALSE(has_problem(address)) << pair().status();
    EXPECT_TRUE(pair().status()["healthy"]) << pair().status();
}

TEST_P(Renewal, WhatHasEndedIsSaidUntilAnotherHasCome) {
    if (!moves()) GTEST_SKIP() << "nothing moves, and whoever renewed it goes on";
    spawn({"ip", "-n", pair().guest().name(), "-4", "addr", "flush", "dev", "standby"});
    give(2);
    pair().attach();
    EXPECT_TRUE(until([&] { return has_problem("has ended"); })) << pair().status();
    EXPECT_FALSE(pair().status()["healthy"]);
    spawn(
        {"ip", "-n", pair().guest().name(), "addr", "add", "192.0.2.3/24", "dev", pair().master()});
    EXPECT_FALSE(has_problem("has ended")) << pair().status();
}

INSTANTIATE_TEST_SUITE_P(
    Every, Renewal,
    testing::Values(Setting(NicKind::veth), Setting(NicKind::tap),
                    Setting(NicKind::veth, HL_MODEL_THREE), Setting(NicKind::tap, HL_MODEL_THREE),
                    Setting(NicKind::veth, HL_MODEL_HIDDEN), Setting(NicKind::tap, HL_MODEL_HIDDEN),
                    Setting(NicKind::veth, HL_MODEL_ONE), Setting(NicKind::tap, HL_MODEL_ONE)),
    [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
