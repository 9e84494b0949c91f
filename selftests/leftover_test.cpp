// SPDX-License-Identifier: BSD-2-Clause
//
// Programs of ours that outlive their pair's pins: they read no freed memory, the next attach takes
// their place, and detach removes them without a record.
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"

#include <algorithm>
#include <array>
#include <bpf/bpf.h>
#include <cerrno>
#include <filesystem>

namespace hitless::selftest {
namespace {

namespace fs = std::filesystem;

std::string bpffs() {
    return PrivateState::dir() + "/bpf";
}

/// The directory of the only pair.
fs::path pair_dir() {
    for (const auto &entry : fs::directory_iterator(bpffs()))
        if (entry.is_directory()) return entry.path();
    return {};
}

std::uint32_t map_id(const fs::path &pin) {
    const Fd fd(bpf_obj_get(pin.c_str()));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    return fd && !bpf_obj_get_info_by_fd(fd.get(), &info, &size) ? info.id : 0;
}

/// The maps that a pinned program keeps alive.
std::vector<std::uint32_t> maps_of(const fs::path &pin) {
    const Fd fd(bpf_obj_get(pin.c_str()));
    std::array<std::uint32_t, 64> ids{};
    bpf_prog_info info{};
    info.map_ids = reinterpret_cast<std::uint64_t>(ids.data());
    info.nr_map_ids = ids.size();
    std::uint32_t size = sizeof info;
    if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size)) return {};
    return {ids.begin(), ids.begin() + std::min<std::uint32_t>(info.nr_map_ids, ids.size())};
}

bool exists(std::uint32_t map) {
    return static_cast<bool>(Fd(bpf_map_get_fd_by_id(map)));
}

class Leftover : public PairTest {
  protected:
    std::string tc(std::vector<std::string> words) {
        words.insert(words.begin(), {"tc", "-n", bed().guest().name()});
        return spawn(words);
    }
    std::string filters() {
        return tc({"filter", "show", "dev", "standby", "egress"}) +
               tc({"filter", "show", "dev", "standby", "ingress"});
    }
    bool ours_is_there() { return filters().find("hl_") != std::string::npos; }
    bool theirs_is_there() { return filters().find("pref 77") != std::string::npos; }
    /// As a filter, because others have one; then the pins go, which were its record.
    void lose_record() {
        tc({"qdisc", "add", "dev", "standby", "clsact"});
        tc({"filter", "add", "dev", "standby", "egress", "pref", "77", "bpf", "bytecode",
            "1,6 0 0 4294967295", "da"});
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
        nics_ = map_id(pair_dir() / "nics");
        ASSERT_TRUE(nics_);
        fs::remove_all(pair_dir());
        ASSERT_TRUE(ours_is_there());
        ASSERT_TRUE(until([&] { return pair().cli({"status"}).code == 1; })) << "the primary tells";
    }
    std::uint32_t nics_ = 0; ///< the map that programs read by address
};

TEST_P(Leftover, KeepsWhatItReads) {
    lose_record();
    until([] { return false; }, 100ms); // a grace period, if it were freed
    EXPECT_TRUE(exists(nics_)) << "the filter reads freed memory";
    EXPECT_EQ(pair().cli({"detach", "--all"}).code, 0);
    EXPECT_TRUE(until([&] { return !exists(nics_); }));
}

TEST_P(Leftover, IsReplacedByAttach) {
    lose_record();
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status"}).shown();
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_FALSE(ours_is_there());
    EXPECT_TRUE(theirs_is_there());
}

TEST_P(Leftover, IsReplacedByAController) {
    lose_record();
    pair().start_controller({"--config", pair().config("auto_pair = false\n[[pair]]\n"
                                                       "standby = \"standby\"\n"
                                                       "primary = \"mac\"\n")});
    ASSERT_TRUE(pair().becomes("primary"));
    EXPECT_TRUE(until([&] { return pair().cli({"status"}).code == 0; }));
}

TEST_P(Leftover, IsRemovedByDetachAll) {
    lose_record();
    const Outcome o = pair().cli({"detach", "--all"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_NE(o.err.find("without a record"), std::string::npos) << o.shown();
    EXPECT_FALSE(ours_is_there());
    EXPECT_TRUE(theirs_is_there());
}

TEST_P(Leftover, IsRemovedByDetach) {
    lose_record();
    const Outcome o = pair().cli({"detach", "standby"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_FALSE(ours_is_there());
    EXPECT_TRUE(theirs_is_there());
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 1) << "nothing is left to detach";
}

TEST_P(Leftover, OfALivingPairStays) {
    tc({"qdisc", "add", "dev", "standby", "clsact"});
    tc({"filter", "add", "dev", "standby", "egress", "pref", "77", "bpf", "bytecode",
        "1,6 0 0 4294967295", "da"});
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    pair().start_controller(); // it clears remains
    EXPECT_EQ(pair().cli({"detach", "nosuch"}).code, 1);
    EXPECT_TRUE(ours_is_there());
    EXPECT_EQ(pair().cli({"status"}).code, 0) << pair().cli({"status"}).shown();
}

HL_INSTANTIATE(Leftover);

/// Every program on a device, of every model and datapath.
class Holds : public PairTest {};

TEST_P(Holds, TheMapsThatItReads) {
    pair().attach();
    ASSERT_TRUE(pair().becomes("primary"));
    const std::uint32_t nics = map_id(pair_dir() / "nics");
    for (const char *name : {"egress", "ingress_primary", "ingress_standby"}) {
        const auto maps = maps_of(pair_dir() / name);
        EXPECT_TRUE(std::ranges::count(maps, nics)) << name;
    }
}

TEST_P(Holds, TheMapsThatItReadsByXdp) {
    if (pair().model() != "three") GTEST_SKIP() << "XDP is for the model three";
    bed().finish_frames();
    const Outcome o = pair().cli({"attach", "standby", "--primary", "mac", "--datapath", "xdp",
                                  "--checksums-complete", "--hold-down", "20"});
    ASSERT_EQ(o.code, 0) << o.shown();
    ASSERT_TRUE(pair().becomes("primary"));
    const std::uint32_t nics = map_id(pair_dir() / "nics");
    unsigned programs = 0;
    for (const auto &pin : fs::directory_iterator(pair_dir()))
        if (pin.path().filename().string().starts_with("xdp_")) {
            const auto maps = maps_of(pin.path());
            EXPECT_TRUE(std::ranges::count(maps, nics)) << pin.path();
            programs++;
        }
    EXPECT_EQ(programs, 3U);
}

// An XDP program that is attached by netlink outlives its pins, too.
TEST_P(Holds, XdpThatWasLeftIsReplaced) {
    if (pair().model() != "three") GTEST_SKIP() << "XDP is for the model three";
    bed().finish_frames();
    const std::vector<std::string> attach{
        "attach",      "standby", "--primary", "mac", "--datapath", "xdp", "--checksums-complete",
        "--hold-down", "20"};
    ASSERT_EQ(pair().cli(attach).code, 0);
    ASSERT_TRUE(pair().becomes("primary"));
    fs::remove_all(pair_dir());
    ASSERT_NE(pair().link("standby").find("xdp"), std::string::npos);
    spawn({"ip", "-n", bed().guest().name(), "link", "del", "fo-standby"});
    const Outcome o = pair().cli(attach);
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_TRUE(pair().becomes("primary"));
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(pair().link("standby").find("xdp"), std::string::npos);
}

TEST_P(Holds, XdpThatWasLeftGoesWithDetachAll) {
    if (pair().model() != "three") GTEST_SKIP() << "XDP is for the model three";
    bed().finish_frames();
    const Outcome made = pair().cli({"attach", "standby", "--primary", "mac", "--datapath", "xdp",
                                     "--checksums-complete", "--hold-down", "20"});
    ASSERT_EQ(made.code, 0) << made.shown();
    ASSERT_TRUE(pair().becomes("primary"));
    fs::remove_all(pair_dir());
    for (const char *nic : {"standby", "primary"})
        ASSERT_NE(pair().link(nic).find("xdp"), std::string::npos) << nic;
    for (const std::vector<std::string> &command :
         std::vector<std::vector<std::string>>{{"status"}, {"status", "fo-standby"}, {"doctor"}}) {
        const Outcome o = pair().cli(command);
        EXPECT_NE(o.code, 0) << o.shown();
        EXPECT_NE((o.out + o.err).find("fo-standby and XDP programs are left"), std::string::npos)
            << o.shown();
    }
    const Outcome o = pair().cli({"detach", "--all"});
    EXPECT_EQ(o.code, 0) << o.shown();
    for (const char *nic : {"standby", "primary"})
        EXPECT_EQ(pair().link(nic).find("xdp"), std::string::npos) << nic;
    EXPECT_EQ(pair().link("fo-standby"), "");
}

HL_INSTANTIATE_MODELS(Holds);

} // namespace
} // namespace hitless::selftest
