// SPDX-License-Identifier: BSD-2-Clause
//
// Detach leaves everything as it was found; and state that was destroyed under us does no harm.
#include "selftests/pair_test.hpp"
#include "selftests/pins.hpp"
#include "selftests/steps.hpp"
#include "testbed/process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sys/mount.h>

namespace hitless::selftest {
namespace {

namespace fs = std::filesystem;

class Restore : public PairTest {
  protected:
    std::string sysctls() const {
        return in_netns(pair_->guest(), [] {
            std::string all;
            std::vector<fs::path> files;
            for (const auto &entry : fs::recursive_directory_iterator("/proc/sys/net"))
                if (entry.is_regular_file()) files.push_back(entry.path());
            std::ranges::sort(files);
            for (const fs::path &path : files) {
                std::ifstream file(path);
                std::string value; // a secret that was never set cannot be read
                std::getline(file, value, '\0');
                all += path.string() + " = " + value + "\n";
            }
            return all;
        });
    }
    /// IPv6 routes of one metric stand in the order in which they were made.
    static std::string in_order(const std::string &text, const std::vector<std::string> &command) {
        if (std::ranges::find(command, "-6") == command.end()) return text;
        std::multiset<std::string> lines;
        std::istringstream all(text);
        for (std::string line; std::getline(all, line);)
            lines.insert(line);
        return fmt::format("{}\n", fmt::join(lines, "\n"));
    }
    /// Everything of the guest that a user could have set, as text.
    std::string snapshot() const {
        const std::string ns = pair_->guest().name();
        std::string all = sysctls();
        for (const std::vector<std::string> &command : std::vector<std::vector<std::string>>{
                 {"ip", "-n", ns, "-d", "link"},
                 {"ip", "-n", ns, "addr"},
                 {"ip", "-n", ns, "route"},
                 {"ip", "-n", ns, "-6", "route"},
                 {"ip", "-n", ns, "rule"},
                 {"tc", "-n", ns, "qdisc"},
                 {"tc", "-n", ns, "filter", "show", "dev", "standby", "ingress"},
                 {"tc", "-n", ns, "filter", "show", "dev", "standby", "egress"},
                 {"tc", "-n", ns, "filter", "show", "dev", "primary", "ingress"},
                 {"tc", "-n", ns, "filter", "show", "dev", "primary", "egress"}})
            all += fmt::format("# {}\n{}", fmt::join(command, " "),
                               in_order(run(command).out, command));
        for (const auto &entry : fs::recursive_directory_iterator(PrivateState::dir()))
            if (entry.path().filename().string().find('.') == std::string::npos &&
                !entry.path().filename().string().starts_with("controller-"))
                all += entry.path().string() + "\n";
        return all;
    }
    void expect_restored(const std::string &when) {
        fs::create_directory(bpffs()); // made once, kept
        // A controller of an earlier test that was killed left it; the next one takes it along.
        fs::remove(PrivateState::dir() + "/control");
        const std::string before = snapshot();
        pair().attach();
        const Ids ids = pinned_ids();
        EXPECT_GE(ids.programs.size(), 4U);
        EXPECT_GE(ids.maps.size(), 3U);
        EXPECT_NE(snapshot(), before) << "the snapshot sees nothing";
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        pair().controller().signal(SIGTERM);
        ASSERT_EQ(pair().controller().wait(), 0);
        const Outcome o = pair().cli({"detach", "standby"});
        ASSERT_EQ(o.code, 0) << o.shown();
        until([&] { return snapshot() == before; }); // addresses that the kernel takes back itself
        EXPECT_EQ(snapshot(), before) << when;
        EXPECT_TRUE(until([&] { return gone(ids); })) << "programs or maps are left";
    }
};

TEST_P(Restore, PrimaryThatWasDown) {
    ASSERT_TRUE(bed().addresses_ready());
    // What has been up once has a queueing discipline, until it moves: the kernel's doing.
    if (pair().model_row().nics == PairNetns::guest) {
        bed().guest().sysctl("net/ipv6/conf/primary/disable_ipv6", "1");
        bed().primary().admin(true);
        bed().primary().admin(false);
        bed().guest().sysctl("net/ipv6/conf/primary/disable_ipv6", "0");
    }
    expect_restored("primary down, MTU as the standby");
}

/// The kernel drops the filters of a NIC that moves, so hidden and one cannot give them back.
class RestoreFilters : public Restore {};

TEST_P(RestoreFilters, PrimaryThatWasUpWithAnotherMtuAndFilters) {
    ASSERT_TRUE(bed().addresses_ready()); // before its twin is there, which has the same address
    bed().guest().sysctl("net/ipv6/conf/primary/accept_dad", "0");
    ip_batch(bed().guest().name(), "link set dev primary mtu 1400 up\n");
    const std::string guest = bed().guest().name();
    for (const char *dev : {"standby", "primary"}) {
        spawn({"tc", "-n", guest, "qdisc", "add", "dev", dev, "clsact"});
        spawn({"tc", "-n", guest, "filter", "add", "dev", dev, "ingress", "bpf", "bytecode",
               "1,6 0 0 4294967295", "da"});
    }
    ASSERT_TRUE(bed().addresses_ready("primary"));
    expect_restored("primary up, MTU 1400, filters");
}

/// Killed at any step of making a pair, between the kernel's answer and our record, too: whoever
/// comes next finds all of it. One of its programs is a filter here, which no descriptor holds.
class KilledAttach : public Restore {};

TEST_P(KilledAttach, LeavesNothing) {
    ASSERT_TRUE(bed().addresses_ready());
    const std::string guest = bed().guest().name();
    bed().guest().sysctl("net/ipv6/conf/primary/disable_ipv6", "1");
    bed().primary().admin(true);
    bed().primary().admin(false);
    bed().guest().sysctl("net/ipv6/conf/primary/disable_ipv6", "0");
    spawn({"tc", "-n", guest, "qdisc", "add", "dev", "standby", "clsact"});
    spawn({"tc", "-n", guest, "filter", "add", "dev", "standby", "egress", "pref", "77", "bpf",
           "bytecode", "1,6 0 0 4294967295", "da"});
    fs::create_directory(bpffs());
    const std::string before = snapshot();
    // A minute; most of the netlink steps only ask.
    const bool all = getenv("HITLESS_SELFTEST_EVERY_ORDER");
    const std::map<std::string, unsigned> every{
        {"pin", 4}, {"link", 1}, {"netlink", 9}, {"rename", 1}};
    const std::vector<std::string> attach{hitless_binary(), "-n",        guest, "attach",
                                          "standby",        "--primary", "mac"};
    for (const auto &[step, stride] : every) {
        unsigned n = 1;
        for (; !HasFailure() && !die_before(attach, "stage", step, n).empty();
             n += all ? 1 : stride) {
            SCOPED_TRACE(fmt::format("killed before {} {}", step, n));
            EXPECT_EQ(pair().cli({"detach", "--all"}).code, 0);
            std::string after;
            until([&] { return (after = snapshot()) == before; });
            EXPECT_EQ(after, before);
        }
        EXPECT_GT(n, 1U) << "attach has no step " << step;
        EXPECT_EQ(pair().cli({"detach", "--all"}).code, 0); // of the one that was not killed
    }
}

/// Only what the kernel cannot do is done in another way: what it has no room for now is refused,
/// and all of it undone.
TEST_P(KilledAttach, LacksMemoryAndIsUndone) {
    if (!can_refuse) GTEST_SKIP() << "system calls are refused on x86-64 alone";
    ASSERT_TRUE(bed().addresses_ready());
    fs::create_directory(bpffs());
    const std::string before = snapshot();
    for (const char *step : {"map", "program", "link", "pin"}) {
        const Refusal refused = refuse_first(
            {hitless_binary(), "-n", bed().guest().name(), "attach", "standby", "--primary", "mac"},
            step, ENOMEM);
        EXPECT_EQ(refused.step, step);
        EXPECT_EQ(refused.code, 1) << step << ": done in another way\n" << refused.err;
        EXPECT_NE(refused.err.find("Cannot allocate memory"), std::string::npos) << refused.err;
        std::string after;
        until([&] { return (after = snapshot()) == before; });
        EXPECT_EQ(after, before) << step;
    }
}

class Destroyed : public Restore {
  protected:
    /// Frames go on, somebody says what is wrong, and a restart repairs it without a gap.
    template <class Destroy>
    void survives(const std::string &what, Destroy destroy) {
        const std::string config =
            pair().config("auto_pair = false\n"
                          "[[pair]]\nstandby = \"standby\"\nprimary = \"mac\"\n");
        pair().start_controller({"--config", config});
        ASSERT_TRUE(pair().becomes("primary"));
        Traffic traffic(bed());
        Marks from = traffic.mark();
        destroy();
        ASSERT_TRUE(traffic.pass(1000));
        Both got = traffic.since(from);
        traffic.report(what, got);
        expect_lost_at_most("up", got.up, 1);
        expect_lost_at_most("down", got.down, traffic.unheard(got));
        EXPECT_NE(pair().cli({"status"}).code, 0) << "nobody says so";
        from = traffic.mark();
        pair().controller().signal(SIGTERM);
        EXPECT_EQ(pair().controller().wait(), 0);
        pair().start_controller({"--config", config});
        EXPECT_TRUE(pair().becomes("primary")) << pair().controller().err();
        ASSERT_TRUE(traffic.pass(500));
        got = traffic.since(from);
        traffic.report("  restart", got);
        expect_nothing_lost("restart", got);
        EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status"}).shown();
    }
};

TEST_P(Destroyed, PinsDeleted) {
    survives("pins deleted", [] {
        for (const fs::path &pin : pins())
            fs::remove(pin);
    });
}

TEST_P(Destroyed, BpffsUnmounted) {
    survives("bpffs unmounted",
             [] { ASSERT_EQ(umount2(bpffs().c_str(), MNT_DETACH), 0) << strerror(errno); });
}

INSTANTIATE_TEST_SUITE_P(Nic, KilledAttach, testing::Values(NicKind::veth),
                         [](const auto &with) { return name_of(with.param); });
HL_INSTANTIATE(Destroyed);
HL_INSTANTIATE_MODELS(Restore);
HL_INSTANTIATE(RestoreFilters);
INSTANTIATE_TEST_SUITE_P(Model, RestoreFilters,
                         testing::Values(Setting(NicKind::veth, HL_MODEL_THREE)),
                         [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
