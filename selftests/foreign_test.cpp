// SPDX-License-Identifier: BSD-2-Clause
//
// Other people's programs on the standby see every frame. The witness drops what goes to one UDP
// port, so that a frame it does not see is a frame that arrives.
#include "selftests/pair_test.hpp"
#include "selftests/programs.hpp"
#include "testbed/process.hpp"

#include <cerrno>

namespace hitless::selftest {
namespace {

constexpr std::uint16_t watched_port = 9999;

class Foreign : public PairTest {
  protected:
    void add_filter() {
        ip_filter("qdisc add dev standby clsact");
        // ldh [36]; jeq #9999; ret TC_ACT_SHOT; ret TC_ACT_UNSPEC
        spawn({"tc", "-n", bed().guest().name(), "filter", "add", "dev", "standby", "egress",
               "pref", "77", "bpf", "bytecode", "4,40 0 0 36,21 0 1 9999,6 0 0 2,6 0 0 4294967295",
               "direct-action"});
    }
    void ip_filter(const std::string &what) {
        std::vector<std::string> command{"tc", "-n", bed().guest().name()};
        std::istringstream words(what);
        for (std::string word; words >> word;)
            command.push_back(word);
        spawn(command);
    }
    bool filter_is_there() {
        return spawn(
                   {"tc", "-n", bed().guest().name(), "filter", "show", "dev", "standby", "egress"})
                   .find("pref 77") != std::string::npos;
    }
    /// Frames to the watched port that passed the witness unseen, of about 200.
    std::uint64_t unseen() {
        Flow flow(bed().guest(), bed().far(),
                  {.to = Testbed::far4, .port = watched_port, .rate = 2000});
        flow.start();
        until([&] { return flow.mark() > 200; });
        flow.stop();
        until([] { return false; }, 50ms); // nothing to wait for: the hoped-for event is absence
        return flow.receiver().arrivals();
    }
    bool others_pass() { return Traffic(bed(), 2000).pass(200); }
};

TEST_P(Foreign, FilterThatWasThereBefore) {
    add_filter();
    ASSERT_EQ(unseen(), 0U) << "the filter does not work";
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(unseen(), 0U);
    EXPECT_TRUE(others_pass());
    EXPECT_EQ(pair().cli({"status"}).code, 0);
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(filter_is_there());
    EXPECT_EQ(unseen(), 0U);
}

// A filter made later is either honoured, or named as a problem with the way out, which works.
TEST_P(Foreign, FilterMadeLater) {
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    ASSERT_GT(unseen(), 0U) << "nobody watches yet";
    add_filter();
    EXPECT_TRUE(until([&] { return unseen() == 0 || pair().cli({"status"}).code == 2; }));
    if (unseen() > 0) {
        const Outcome o = pair().cli({"status"});
        EXPECT_NE(o.out.find("clsact"), std::string::npos) << o.shown();
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    EXPECT_EQ(unseen(), 0U);
    EXPECT_TRUE(filter_is_there());
    EXPECT_TRUE(others_pass());
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status"}).shown();
}

/// A tcx program with the same rule, on the standby's egress; the link is its owner.
Fd attach_tcx_witness(const Netns &guest) {
    return attach_tcx(guest, "standby", TcxSide::egress, tc_program(tcx_drop, watched_port).get());
}

TEST_P(Foreign, TcxProgramThatWasThereBefore) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    const Fd link = attach_tcx_witness(bed().guest());
    ASSERT_TRUE(link) << strerror(errno);
    ASSERT_EQ(unseen(), 0U) << "the program does not work";
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(unseen(), 0U);
    EXPECT_TRUE(others_pass());
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(unseen(), 0U);
}

TEST_P(Foreign, TcxProgramAttachedLater) {
    HL_NEEDS_KERNEL(6, 6, "tcx");
    pair().attach();
    pair().start_controller();
    ASSERT_TRUE(pair().becomes("primary"));
    const Fd link = attach_tcx_witness(bed().guest());
    ASSERT_TRUE(link) << strerror(errno);
    EXPECT_TRUE(until([&] { return unseen() == 0 || pair().cli({"status"}).code == 2; }))
        << "a program behind ours misses frames, and nobody says so";
    EXPECT_TRUE(others_pass());
}

HL_INSTANTIATE(Foreign);

} // namespace
} // namespace hitless::selftest
