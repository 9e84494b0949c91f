// SPDX-License-Identifier: BSD-2-Clause
//
// XDP programs of others that filter what a device receives. A pair gives frames a second way in:
// what goes past a filter is named, and the remedy that is named mends it.
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "selftests/programs.hpp"

#include <cerrno>
#include <cstring>

namespace hitless::selftest {
namespace {

constexpr std::uint16_t filtered_port = 9997;

class XdpFilter : public PairTest {
  protected:
    /// Frames to the filtered port that the guest receives, of about 200.
    std::uint64_t received() {
        Flow flow(bed().far(), bed().guest(),
                  {.to = Testbed::guest4, .port = filtered_port, .rate = 2000});
        flow.start();
        until([&] { return flow.mark() > 200; });
        flow.stop();
        until([] { return false; }, 50ms); // nothing to wait for: the hoped-for event is absence
        return flow.receiver().arrivals();
    }
    /// Where the pair has its NICs.
    Netns home() { return Netns::of_others(pair().home_of("primary")); }
    void start() {
        pair().attach();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(ping(bed().guest(), Testbed::far4, 1s)); // a neighbour that can be asked
    }
    /// Expects `words` of status and doctor, and runs what the doctor recommends.
    void mend(const std::string &words) {
        const Outcome status = pair().cli({"status", "standby"});
        EXPECT_EQ(status.code, 2) << status.shown();
        EXPECT_NE(status.out.find(words), std::string::npos) << status.shown();
        const Outcome doctor = pair().cli({"doctor", "-j"});
        const Json all = Json::parse(doctor.out);
        for (const Json &finding : all["findings"]) {
            if (finding["detail"].get<std::string>().find(words) == std::string::npos) continue;
            const Outcome o = run({"ip", "netns", "exec", bed().guest().name(), "sh", "-c",
                                   finding["remedy"].get<std::string>()});
            EXPECT_EQ(o.code, 0) << o.shown();
            return;
        }
        ADD_FAILURE() << doctor.shown();
    }
};

TEST_P(XdpFilter, OfTheStandbyIsNamedUntilThePrimaryHasIt) {
    const Fd filter = xdp_program(true, filtered_port);
    ASSERT_TRUE(filter && set_xdp(bed().guest(), "standby", filter.get())) << strerror(errno);
    ASSERT_EQ(received(), 0U) << "the filter does not work";
    start();
    ASSERT_GT(received(), 0U) << "nothing went past the filter";
    mend("do not pass it");
    EXPECT_EQ(received(), 0U) << "the remedy does not mend it";
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

TEST_P(XdpFilter, ThatComesLaterIsNamed) {
    start();
    const Fd filter = xdp_program(true, filtered_port);
    ASSERT_TRUE(filter && set_xdp(home(), "standby", filter.get())) << strerror(errno);
    mend("do not pass it");
    EXPECT_EQ(received(), 0U) << "the remedy does not mend it";
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// What others attach to both NICs, each time loaded anew, is one filter.
TEST_P(XdpFilter, OfBothNicsIsNoProblem) {
    const Fd one = xdp_program(true, filtered_port), same = xdp_program(true, filtered_port);
    ASSERT_TRUE(set_xdp(bed().guest(), "standby", one.get())) << strerror(errno);
    ASSERT_TRUE(set_xdp(bed().guest(), "primary", same.get())) << strerror(errno);
    start();
    EXPECT_EQ(received(), 0U);
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// The kernel's generic way stands behind the driver, where frames enter the device that the guest
// uses.
TEST_P(XdpFilter, OfTheGenericKindOnTheGuestsDeviceSeesEveryFrame) {
    start();
    const Fd filter = xdp_program(true, filtered_port);
    ASSERT_GT(received(), 0U);
    ASSERT_TRUE(set_xdp(bed().guest(), pair().master(), filter.get(), true)) << strerror(errno);
    EXPECT_EQ(received(), 0U);
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

TEST_P(XdpFilter, OnAFailoverDevicesDriverIsNamed) {
    start();
    const Fd filter = xdp_program(true, filtered_port);
    if (!pair().model_row().has_failover) GTEST_SKIP() << "there is no failover device";
    if (!set_xdp(bed().guest(), pair().master(), filter.get()))
        GTEST_SKIP() << "a netkit takes none: " << strerror(errno);
    ASSERT_GT(received(), 0U) << "the filter sees frames";
    mend("sees no frame");
    EXPECT_EQ(received(), 0U) << "the remedy does not mend it";
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

// A program that takes everything: the standby carries the frames, and the program is named.
TEST_P(XdpFilter, ThatDropsAllOnThePrimaryIsNamed) {
    start();
    const Fd filter = xdp_program(true);
    ASSERT_TRUE(set_xdp(home(), "primary", filter.get())) << strerror(errno);
    EXPECT_TRUE(pair().becomes("standby")) << pair().cli({"status"}).out;
    EXPECT_TRUE(until([&] { return Traffic(bed(), 2000).pass(200); }));
    const Outcome status = pair().cli({"status", "standby"});
    EXPECT_EQ(status.code, 2) << status.shown();
    EXPECT_NE(status.out.find("XDP program"), std::string::npos) << status.shown();
    ASSERT_TRUE(set_xdp(home(), "primary", -1)) << strerror(errno);
    EXPECT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status", "standby"}).shown();
}

HL_INSTANTIATE_MODELS(XdpFilter);

} // namespace
} // namespace hitless::selftest
