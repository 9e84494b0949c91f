// SPDX-License-Identifier: BSD-2-Clause
//
// `upgrade --check` says before what `upgrade` then does, in the same words; and what is lacking,
// a right or memory, is refused whole (docs/adr/0011-upgrade-in-place.md).
#include "selftests/steps.hpp"
#include "selftests/upgrading.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fmt/ranges.h>
#include <fstream>
#include <string_view>
#include <unistd.h>

namespace hitless::selftest {
namespace {

class UpgradeChecked : public Upgrading {
  protected:
    void make_older() {
        attach_older();
        move_addresses();
        before_ = pinned_ids();
    }
    /// Asks first, then does it. Undone whole where it is refused; where not, the older one is made
    /// anew.
    void expect_agreement(const std::vector<std::string> &prefix, Flows &flows) {
        const std::string what = fmt::format("{}", fmt::join(prefix, " "));
        SCOPED_TRACE(what);
        const Outcome asked = with(prefix, {"upgrade", "--check"});
        expect_older(before_);
        const Outcome done = with(prefix, {"upgrade"});
        EXPECT_EQ(asked.code, done.code) << asked.shown() << done.shown();
        EXPECT_EQ(asked.err, done.err);
        flows.expect_exactly_once(what);
        if (done.code) {
            refused_++;
            EXPECT_NE(done.err.find("it stays in force as the older version made it"),
                      done.err.npos)
                << done.err;
            return expect_older(before_);
        }
        expect_ours();
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        make_older();
        flows.settle();
    }
    Outcome with(std::vector<std::string> line, const std::vector<std::string> &arguments) {
        // By the path of the namespace: `hitless -n` needs a right of its own.
        line.insert(line.begin(), {"nsenter", "--net=/run/netns/" + bed().guest().name()});
        line.push_back(hitless_binary());
        line.insert(line.end(), arguments.begin(), arguments.end());
        return run(line);
    }

    Ids before_;
    unsigned refused_ = 0;
};

TEST_P(UpgradeChecked, WithoutARight) {
    make_older();
    Flows flows(bed(), way().with.kind);
    for (const char *without : {"bpf", "perfmon", "net_admin", "sys_admin", "net_raw"}) {
        // Who has CAP_SYS_ADMIN has the first three as well.
        const bool implied =
            std::string_view("bpf perfmon net_admin").find(without) != std::string_view::npos;
        const std::string set = fmt::format("-{}{}", without, implied ? ",-sys_admin" : "");
        expect_agreement({"setpriv", "--bounding-set=" + set, "--inh-caps=" + set}, flows);
        if (HasFailure()) return;
    }
    expect_agreement({"setpriv", "--bounding-set=-all", "--inh-caps=-all"}, flows);
    EXPECT_GT(refused_, 2U);
}

/// From far too few to enough: both say no until both say yes.
TEST_P(UpgradeChecked, WithFewDescriptors) {
    make_older();
    Flows flows(bed(), way().with.kind);
    unsigned refused = 0;
    for (unsigned limit = 12;; limit += 13) {
        ASSERT_LT(limit, 200U);
        SCOPED_TRACE(fmt::format("{} descriptors", limit));
        const std::vector<std::string> few{"prlimit", fmt::format("--nofile={}:1024", limit)};
        const Outcome asked = with(few, {"upgrade", "--check"}), done = with(few, {"upgrade"});
        EXPECT_EQ(asked.code, done.code) << asked.shown() << done.shown();
        if (done.code == 0) break;
        expect_older(before_);
        refused++;
    }
    EXPECT_GT(refused, 2U);
    flows.expect_exactly_once(fmt::format("refused {} times, then done", refused));
    expect_ours();
}

/// The kernel does not take the new programs, or has no memory for their maps.
TEST_P(UpgradeChecked, WhatTheKernelRefuses) {
    if (!can_refuse) GTEST_SKIP() << "not on this machine";
    make_older();
    Flows flows(bed(), way().with.kind);
    for (const auto &[step, error] : {std::pair("program", EACCES), std::pair("map", ENOMEM)}) {
        SCOPED_TRACE(step);
        const Refusal asked = refuse_first(newer_command({"upgrade", "--check"}), step, error);
        const Refusal done = refuse_first(newer_command({"upgrade"}), step, error);
        EXPECT_NE(done.code, 0);
        EXPECT_EQ(asked.code, done.code);
        EXPECT_EQ(asked.err, done.err);
        EXPECT_NE(done.err.find("it stays in force as the older version made it"), done.err.npos)
            << done.err;
        expect_older(before_);
        flows.expect_exactly_once(step);
    }
}

INSTANTIATE_TEST_SUITE_P(Way, UpgradeChecked,
                         testing::ValuesIn(upgrade_ways_named({"two_veth", "two_clsact", "hidden",
                                                               "xdp_alone"})),
                         name_of_way);

/// A control group whose memory is short, of either hierarchy; "" where there is none.
std::string memory_group() {
    for (const char *root : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"}) {
        const std::string dir = fmt::format("{}/hitless-selftest-{}", root, getpid());
        std::error_code none;
        std::filesystem::create_directory(dir, none);
        for (const char *limit : {"/memory.limit_in_bytes", "/memory.max"})
            if (std::filesystem::exists(dir + limit)) return dir;
        std::filesystem::remove(dir, none);
    }
    return "";
}

class UpgradeShortOfMemory : public Upgrading {};

/// The kernel counts programs and maps as memory of who makes them: it refuses them, or ends the
/// command, which is kill -9. With a little more at a time it comes further.
TEST_P(UpgradeShortOfMemory, IsUndoneWhole) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    const Ids before = pinned_ids();
    unsigned killed = 0, refused = 0;
    for (unsigned kib = 2048;; kib += kib / 4) {
        const std::string group = memory_group();
        if (group.empty()) GTEST_SKIP() << "no control groups of memory";
        SCOPED_TRACE(fmt::format("{} KiB", kib));
        ASSERT_LT(kib, 1U << 20);
        for (const char *limit : {"/memory.limit_in_bytes", "/memory.max"})
            if (std::filesystem::exists(group + limit))
                std::ofstream(group + limit) << fmt::format("{}", kib * 1024);
        std::vector<std::string> line{"sh", "-c", "echo $$ >\"$0\"/cgroup.procs && exec \"$@\"",
                                      group};
        for (const std::string &word : newer_command({"upgrade"}))
            line.push_back(word);
        const Outcome o = run(line);
        EXPECT_TRUE(until([&] { return std::filesystem::remove(group); })) << "it is empty";
        if (o.code == 0) break;
        killed += o.code == 128 + SIGKILL;
        refused += o.err.find("it stays in force as the older version made it; "
                              "when there is room again: `hitless upgrade`") != o.err.npos;
        EXPECT_TRUE(flows.pass(200));
        EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
        if (pair().cli({"status", "standby"}).code != 1) break; // it had been published
        expect_older(before);
        if (HasFailure()) return;
    }
    flows.expect_exactly_once(fmt::format("killed {} times, refused {} times", killed, refused));
    EXPECT_GT(killed + refused, 3U);
    expect_ours();
}

INSTANTIATE_TEST_SUITE_P(Way, UpgradeShortOfMemory,
                         testing::ValuesIn(upgrade_ways_named({"two_veth"})), name_of_way);

} // namespace
} // namespace hitless::selftest
