// SPDX-License-Identifier: BSD-2-Clause
//
// A takeover that is killed at any of its steps (docs/adr/0011-upgrade-in-place.md).
#include "selftests/steps.hpp"
#include "selftests/upgrading.hpp"

#include <cerrno>
#include <cstdlib>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <vector>

namespace hitless::selftest {
namespace {

/// Not only what CI has time for.
bool every_order() {
    return getenv("HITLESS_SELFTEST_EVERY_ORDER");
}

class UpgradeDies : public Upgrading {
  protected:
    /// What is set before it, and with it what it saves, is set once.
    void make_older() {
        if (settings_.empty() && !has_datapath_xdp()) {
            set_settings();
            settings_ = snapshot();
        }
        attach_older();
        move_addresses();
        before_ = pinned_ids();
        dispatchers_ = dispatchers();
    }
    bool is_ours() { return pair().cli({"status", "standby"}).code != 1; }
    /// Whoever next holds the lock finishes it or undoes it. By most commands it goes no further;
    /// by hand, and by a controller that starts, the pair is taken over after all.
    void go_on(unsigned n, Flows &flows) {
        static const std::vector<std::string> ways[] = {{"upgrade"}, {"run", "--once"}};
        if (n % 4 == 0) {
            const Outcome o = pair().cli(ways[n / 4 % 2]);
            ASSERT_EQ(o.code, 0) << o.shown();
            // Also where there was only something left to be removed.
            EXPECT_TRUE(n / 4 % 2 || o.out == "standby: taken over from ABI 6\n") << o.shown();
        } else {
            ASSERT_EQ(pair().cli({"attach", "nobody"}).code, 1);
        }
        ASSERT_TRUE(flows.pass(200));
        if (is_ours()) return expect_ours();
        EXPECT_NE(n % 4, 0U);
        expect_older(before_);
        EXPECT_EQ(dispatchers(), dispatchers_);
    }
    /// For the next round; and `step` has cost no setting that the older one saved. Where it was
    /// undone that is looked at once a kind of step.
    void back_to_the_older(Flows &flows, const std::string &step) {
        if (!is_ours() && !detached_after_.insert(step).second) return;
        const Outcome o = pair().cli({"detach", "standby"});
        ASSERT_EQ(o.code, 0) << o.shown();
        EXPECT_EQ(o.err, "");
        if (!has_datapath_xdp()) {
            EXPECT_EQ(snapshot(), settings_);
        }
        make_older();
        flows.settle();
    }
    /// Before the steps `first`, `first` + `every` ... of a takeover. Returns how often, by kinds.
    std::map<std::string, unsigned> die(Flows &flows, unsigned first, unsigned every) {
        std::map<std::string, unsigned> died;
        for (unsigned n = first, i = 0; !HasFailure(); n += every, i++) {
            flows.mark();
            const std::string step = die_before(newer_command({"upgrade"}), "upgrade-", n);
            if (step.empty()) break;
            died[step]++;
            if (step == "link update" || step == "netlink") forget_strays();
            EXPECT_TRUE(flows.pass(200));
            SCOPED_TRACE(fmt::format("step {}, {}", n, step));
            go_on(every == 1 ? n : i, flows);
            flows.expect_exactly_once(fmt::format("killed before step {}, {}", n, step));
            if (!HasFailure()) back_to_the_older(flows, step);
        }
        if (HasFailure()) return died;
        flows.expect_exactly_once("not killed");
        expect_ours();
        back_to_the_older(flows, "not killed");
        return died;
    }

    Ids before_;
    std::set<std::string> dispatchers_, detached_after_;
    std::string settings_;
};

class UpgradeDiesAtSome : public UpgradeDies {};

/// Where the takeover was killed before.
struct Left {
    const char *step; ///< the last before the exchange, or the first after it
    bool ours;        ///< what is in force then
};

class UpgradeRecovers : public UpgradeDies {
  protected:
    static constexpr Left undone{"rename", false}, finished{"remove", true};
    /// Whoever ends an interrupted takeover is killed at its step n, and the next one ends it all
    /// the same. Returns that step; "" when it had ended before.
    std::string die_again(const Left &left, unsigned n, Flows &flows) {
        flows.mark();
        EXPECT_EQ(die_before(newer_command({"upgrade"}), "upgrade-", left.step, 1), left.step);
        const std::string step = die_before(newer_command({"attach", "nobody"}), "", n);
        SCOPED_TRACE(fmt::format("step {}, {}, of ending it before {}", n, step, left.step));
        EXPECT_TRUE(flows.pass(200));
        EXPECT_EQ(pair().cli({"attach", "nobody"}).code, 1);
        flows.expect_exactly_once(fmt::format("killed before step {}, {}", n, step));
        EXPECT_EQ(is_ours(), left.ours);
        if (left.ours)
            expect_ours();
        else
            expect_older(before_);
        if (left.ours) back_to_the_older(flows, step);
        return step;
    }
};

class UpgradeRefused : public UpgradeDies {
  protected:
    /// Every step in turn; by the verifier, each program. Returns how often
    /// that was the end of it, by kinds of step.
    std::map<std::string, unsigned> refuse_each(Flows &flows, int error) {
        const bool verifier = error == EACCES;
        const char *way_out = verifier ? "when that is mended: `hitless upgrade`"
                                       : "when there is room again: `hitless upgrade`";
        std::map<std::string, unsigned> refused;
        for (unsigned n = 1; !HasFailure(); n++) {
            if (verifier && n <= steps_.size() && steps_[n - 1] != "program") continue;
            flows.mark();
            const Refusal got = refuse_step(newer_command({"upgrade"}), "upgrade-", n, error);
            if (got.step.empty()) break;
            if (n > steps_.size()) steps_.push_back(got.step);
            SCOPED_TRACE(
                fmt::format("step {}, {}, refused by {}: {}", n, got.step, error, got.err));
            EXPECT_TRUE(flows.pass(200));
            if (got.code == 0) { // it could do without, or was beyond its publication
                expect_ours();
            } else {
                EXPECT_EQ(got.code, verifier ? 77 : 1);
                const std::string in_force =
                    fmt::format("it stays in force as the older version made it; {}", way_out);
                EXPECT_NE(got.err.find(in_force), std::string::npos);
                expect_older(before_);
                EXPECT_EQ(dispatchers(), dispatchers_);
                refused[got.step]++;
            }
            flows.expect_exactly_once(fmt::format("step {}, {}, refused", n, got.step));
            if (!HasFailure()) back_to_the_older(flows, got.step);
        }
        if (!HasFailure()) back_to_the_older(flows, "none");
        return refused;
    }

  private:
    std::vector<std::string> steps_;
};

TEST_P(UpgradeDies, AtEachStep) {
    make_older();
    Flows flows(bed(), way().with.kind);
    // Taps are carried by threads, which do not keep up with twice the frames on a busy machine.
    if (way().with.kind == NicKind::veth) flows.flood();
    std::map<std::string, unsigned> died = die(flows, 1, 1);
    if (HasFailure()) return;
    EXPECT_GT(died["pin"], 10U);
    EXPECT_EQ(died["mkdir"], is_xdp() ? died["mkdir"] : 1U); // libxdp has its own
    EXPECT_EQ(died["rename"], 1U);
    if (way().place == Place::tcx) {
        EXPECT_EQ(died["link update"], before_.links.size()); // each hook
    }
    fmt::print("  died before {}\n", fmt::join(died, ", "));
}

/// Of the orders that take minutes, each some of the steps; and each others than its neighbours.
TEST_P(UpgradeDiesAtSome, Steps) {
    const unsigned every = 16, by_filter = way().place == Place::clsact ? every - 1 : 0;
    const unsigned first = 1 + (way().with.model + by_filter) % every;
    make_older();
    Flows flows(bed(), way().with.kind);
    std::map<std::string, unsigned> died = die(flows, first, every);
    fmt::print("  died before {}\n", fmt::join(died, ", "));
    EXPECT_GT(died.size(), 1U);
}

TEST_P(UpgradeRecovers, AlsoWhereThatIsKilled) {
    make_older();
    Flows flows(bed(), way().with.kind);
    const unsigned every = every_order() ? 1 : 11;
    for (const Left &left : {undone, finished}) {
        std::map<std::string, unsigned> died;
        for (unsigned n = 1; !HasFailure(); n += every) {
            const std::string step = die_again(left, n, flows);
            if (step.empty()) break;
            died[step]++;
        }
        EXPECT_GE(died["remove"], 1U);
        fmt::print("  before {}: died again before {}\n", left.step, fmt::join(died, ", "));
    }
}

/// The kernel refuses one step: no room, no memory, a program that its verifier does not take.
TEST_P(UpgradeRefused, AtEachStep) {
    if (!can_refuse) GTEST_SKIP() << "not on this machine";
    make_older();
    Flows flows(bed(), way().with.kind);
    std::map<std::string, unsigned> without_room = refuse_each(flows, ENOSPC);
    std::map<std::string, unsigned> without_memory = refuse_each(flows, ENOMEM);
    // Not the same numbers: what libbpf tries of the kernel, and how often, differs from run to
    // run.
    for (auto *refused : {&without_room, &without_memory}) {
        EXPECT_GT((*refused)["pin"], 10U);
        EXPECT_GT((*refused)["program"], 1U);
        EXPECT_GT((*refused)["map"], 0U);
        EXPECT_EQ((*refused)["mkdir"], 1U);
    }
    EXPECT_GE(without_room["rename"] + without_memory["rename"], 1U);
    std::map<std::string, unsigned> not_taken = refuse_each(flows, EACCES);
    EXPECT_GT(not_taken["program"], 1U);
    fmt::print("  refused for want of memory {}\n", fmt::join(without_memory, ", "));
    fmt::print("  refused {}; programs by the verifier {}\n", fmt::join(without_room, ", "),
               not_taken["program"]);
}

/// Each order of steps takes a minute or more, so all the steps of the others than the first are
/// for whoever changes one. Where a kernel has libxdp's dispatcher, it has the most of them.
std::vector<Way> orders(std::set<std::string> first, const std::set<std::string> &others) {
    if (every_order()) first.insert(others.begin(), others.end());
    return upgrade_ways_named(first);
}
const std::set<std::string> some{"two_tap", "two_clsact", "two_gate", "three",
                                 "hidden",  "one",        "xdp"};
const std::set<std::string> few{"two_clsact", "three", "hidden", "one", "xdp_alone"};
INSTANTIATE_TEST_SUITE_P(Way, UpgradeDies,
                         testing::ValuesIn(every_order() ? upgrade_ways()
                                                         : upgrade_ways_named({"two_veth"})),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeDiesAtSome, testing::ValuesIn(upgrade_ways_named(some)),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeRecovers, testing::ValuesIn(orders({"two_veth"}, few)),
                         name_of_way);
INSTANTIATE_TEST_SUITE_P(Way, UpgradeRefused,
                         testing::ValuesIn(orders({"two_veth"}, {"two_clsact", "xdp"})),
                         name_of_way);

} // namespace
} // namespace hitless::selftest
