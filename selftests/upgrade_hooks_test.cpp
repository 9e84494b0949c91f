// SPDX-License-Identifier: BSD-2-Clause
//
// Hooks that the older version has lost sight of before the takeover, and what a takeover that was
// killed tells of its hooks (docs/adr/0011-upgrade-in-place.md).
#include "loader/kernel/fd.hpp"
#include "selftests/pins.hpp"
#include "selftests/steps.hpp"
#include "selftests/upgrading.hpp"

#include <algorithm>
#include <bpf/bpf.h>
#include <filesystem>
#include <string>
#include <vector>

namespace hitless::selftest {
namespace {

class UpgradeFilter : public Upgrading {};

class UpgradeHooks : public Upgrading {
  protected:
    static std::vector<std::filesystem::path> link_pins() {
        std::vector<std::filesystem::path> out = pins();
        std::erase_if(out, [](const std::filesystem::path &pin) {
            return !pin.filename().string().starts_with("link_");
        });
        return out;
    }
    /// Of all links, which the caller holds.
    static std::vector<Fd> lose_pins() {
        std::vector<Fd> held;
        for (const std::filesystem::path &pin : link_pins()) {
            held.emplace_back(bpf_obj_get(pin.c_str()));
            EXPECT_TRUE(held.back());
            EXPECT_TRUE(std::filesystem::remove(pin));
        }
        return held;
    }
    /// `status` and `upgrade --check`, and doctor, say the same of it.
    std::string expect_interruption_told(int code) {
        const Outcome told = pair().cli({"status", "standby"});
        EXPECT_EQ(told.code, code) << told.shown();
        const std::string text = told.out + told.err;
        const size_t from = text.find("its takeover from ABI 6 was interrupted: ");
        if (from == text.npos) {
            ADD_FAILURE() << told.shown();
            return "";
        }
        std::string said = text.substr(from, text.find(';', from) - from);
        EXPECT_NE(text.find("hitless upgrade", from), text.npos) << text;
        const Outcome could = pair().cli({"upgrade", "--check"});
        EXPECT_EQ(could.code, 0) << could.shown();
        EXPECT_NE(could.err.find(said + "; `hitless upgrade`"), said.npos) << could.shown();
        const Outcome found = pair().cli({"doctor"});
        EXPECT_NE(found.out.find(said), said.npos) << said << found.shown();
        return said;
    }
    static long hooks_in(const std::string &text) { return std::ranges::count(text, '('); }
    /// What the first words of a part tell, up to the next part.
    static std::string part(const std::string &said, const std::string &words,
                            const std::string &next) {
        const size_t from = said.find(words);
        return from == said.npos ? "" : said.substr(from, said.find(next, from) - from);
    }
};

/// Somebody else holds the link, so its program runs: it is found by its number.
TEST_P(UpgradeHooks, ALinkThatIsPinnedNowhereIsTakenOver) {
    attach_older();
    const Ids before = pinned_ids();
    const std::vector<Fd> held = lose_pins();
    ASSERT_GT(held.size(), 1U);
    Flows flows(bed(), way().with.kind);
    const Outcome could = pair().cli({"upgrade", "--check"});
    EXPECT_EQ(could.code, 0) << could.shown();
    EXPECT_EQ(could.err, "");
    EXPECT_TRUE(link_pins().empty()) << "it was only asked";
    const Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(o.err, "");
    flows.expect_exactly_once("links that nothing had pinned");
    EXPECT_EQ(pinned_ids().links, before.links) << "beside another link ours would run twice";
    expect_ours();
}

/// Killed between: the older pair has its programs back, in links that it can see again.
TEST_P(UpgradeHooks, ALinkThatIsPinnedNowhereIsGivenBack) {
    attach_older();
    const Ids before = pinned_ids();
    const std::vector<Fd> held = lose_pins();
    Flows flows(bed(), way().with.kind);
    ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "rename", 1), "rename");
    EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
    flows.expect_exactly_once("undone");
    expect_older(before);
}

/// Each in turn: by `bpftool link detach`, and by removing its pin as well. Nothing but the hook is
/// wanting.
TEST_P(UpgradeHooks, WhereNothingRunsOursIsAttached) {
    attach_older();
    const size_t links = link_pins().size();
    Flows flows(bed(), way().with.kind);
    for (size_t n = 0; n < links && !HasFailure(); n++) {
        const std::filesystem::path pin = link_pins().at(n);
        SCOPED_TRACE(pin.filename());
        const Fd link(bpf_obj_get(pin.c_str()));
        ASSERT_EQ(bpf_link_detach(link.get()), 0);
        if (n % 2) std::filesystem::remove(pin); // and nothing remembers it
        const Ids before = pinned_ids();
        const Outcome could = pair().cli({"upgrade", "--check"});
        EXPECT_EQ(could.code, 0) << could.shown();
        EXPECT_NE(could.err.find("somebody has taken the older version's program off"),
                  could.err.npos)
            << could.shown();
        EXPECT_EQ(hooks_in(could.err), 1) << could.err;
        EXPECT_TRUE(pinned_ids() == before);
        const Outcome o = pair().cli({"upgrade"});
        EXPECT_EQ(o.code, 0) << o.shown();
        EXPECT_EQ(o.err, could.err);
        flows.settle();
        flows.expect_exactly_once("a hook that was empty");
        expect_ours();
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        attach_older();
        flows.settle();
    }
}

/// The same of a filter.
TEST_P(UpgradeFilter, WhereNothingRunsOursIsAttached) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    spawn({"tc", "-n", bed().guest().name(), "filter", "del", "dev", "standby", "egress", "pref",
           "65535"});
    const Outcome could = pair().cli({"upgrade", "--check"});
    EXPECT_NE(could.err.find("off standby (egress)"), could.err.npos) << could.shown();
    const Outcome o = pair().cli({"upgrade"});
    EXPECT_EQ(o.code, 0) << o.shown();
    EXPECT_EQ(o.err, could.err);
    const std::string runs =
        run({"tc", "-n", bed().guest().name(), "filter", "show", "dev", "standby", "egress"}).out;
    EXPECT_NE(runs.find("hl_egress"), runs.npos) << runs;
}

TEST_P(UpgradeHooks, AnInterruptedOneTellsWhatRunsWhere) {
    attach_older();
    Flows flows(bed(), way().with.kind);
    const unsigned hooks = static_cast<unsigned>(linked_programs().size());
    for (unsigned n = 1; n <= hooks && !HasFailure(); n++) {
        SCOPED_TRACE(fmt::format("killed before hook {} of {}", n, hooks));
        ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "link update", n),
                  "link update");
        const std::string said = expect_interruption_told(1);
        EXPECT_EQ(hooks_in(part(said, "this version's programs run at", "the older")), n - 1)
            << said;
        EXPECT_EQ(hooks_in(part(said, "the older version's run at", ";")), hooks - n + 1) << said;
    }
    ASSERT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", "remove", 1), "remove");
    const std::string said = expect_interruption_told(2);
    EXPECT_EQ(hooks_in(said), hooks) << said;
    EXPECT_EQ(said.find("the older version's run"), said.npos) << said;
    EXPECT_EQ(pair().cli({"upgrade"}).code, 0);
    EXPECT_EQ(pair().status()["problems"], Json::array());
    flows.expect_exactly_once("killed at each hook, and asked");
    expect_ours();
}

INSTANTIATE_TEST_SUITE_P(
    Way, UpgradeHooks,
    testing::ValuesIn(upgrade_ways_named({"two_veth", "three", "hidden", "one"})), name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeFilter, testing::ValuesIn(upgrade_ways_named({"two_clsact"})),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
