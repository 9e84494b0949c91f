// SPDX-License-Identifier: BSD-2-Clause
//
// What must hold under any trace whatever: random NICs, random times, a second of silence from
// netlink, and frames in between.
#include "tests/core/world.hpp"

#include <gtest/gtest.h>
#include <ostream>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hitless::test {

void showValue(const Step &step, std::ostream &out) {
    constexpr const char *names[] = {"frame", "notice", "carrier", "presence",
                                     "mtu",   "mac",    "sync",    "standby_carrier"};
    out << "+" << static_cast<double>(step.wait.count()) / 1e6 << " ms " << names[step.what];
}

namespace {

using std::chrono::milliseconds;

/// Bursts and pauses: most steps follow at once, some after longer than any hold-down here.
rc::Gen<Instant> waits() {
    auto upto = [](int64_t ns) {
        return rc::gen::map(rc::gen::inRange<int64_t>(0, ns), [](int64_t v) { return Instant(v); });
    };
    return rc::gen::oneOf(rc::gen::just(Instant(0)), upto(1'000'000), upto(50'000'000),
                          upto(1'500'000'000));
}

rc::Gen<std::vector<Step>> traces() {
    auto whats = rc::gen::weightedElement<Step::What>({{6, Step::frame},
                                                       {4, Step::notice},
                                                       {4, Step::carrier},
                                                       {2, Step::presence},
                                                       {1, Step::mtu},
                                                       {1, Step::mac},
                                                       {1, Step::sync},
                                                       {2, Step::standby_carrier}});
    return rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(whats, waits()));
}

Policy some_policy() {
    return {.hold_down = milliseconds(*rc::gen::element(0, 1, 10, 200, 1000)),
            .probing = {.up_delay = milliseconds(*rc::gen::element(0, 20))}};
}

World lived(const Policy &policy, const std::vector<Step> &trace) {
    World world(policy);
    for (const Step &step : trace)
        world.apply(step);
    return world;
}

RC_GTEST_PROP(AnyTrace, LeavesNoUsablePathIdleOnceItIsQuiet, ()) {
    Policy policy = some_policy();
    World world = lived(policy, *traces());
    world.send();
    world.look(); // netlink's last word, however late
    world.sleep(std::max(policy.hold_down, policy.probing.up_delay));
    world.send();
    RC_ASSERT((world.sent.back().path == Path::primary) == world.primary_fits());
    RC_ASSERT((world.veto == 0) == world.primary_fits());
    RC_ASSERT(!world.again); // and nothing wakes anybody up any more
}

RC_GTEST_PROP(AnyTrace, UsesNoVetoedPrimaryWhileTheStandbyWorks, ()) {
    for (const Sent &frame : lived(some_policy(), *traces()).sent) {
        if (frame.path == Path::primary) {
            RC_ASSERT(frame.primary_alive);
            RC_ASSERT(frame.veto == 0 || !frame.standby_alive);
        }
        bool firm = frame.veto & ~HL_VETO_SOFT;
        if (!frame.standby_alive && frame.primary_alive && !firm)
            RC_ASSERT(frame.path == Path::primary); // a doubtful path beats none
    }
}

RC_GTEST_PROP(AnyTrace, NeverPassesThroughZeroBetweenSetAndClear, ()) {
    World world = lived(some_policy(), *traces());
    RC_ASSERT(!world.passed_zero);
    RC_ASSERT(world.foreign_bits == 0u);
    RC_ASSERT(!world.again_in_the_past); // or the timer would spin
}

RC_GTEST_PROP(AnyTrace, ReturnsAtMostOnceInAHoldDown, ()) {
    Policy policy = some_policy();
    World world = lived(policy, *traces());
    for (size_t i = 1; i < world.returns.size(); i++)
        RC_ASSERT(world.returns[i] - world.returns[i - 1] >= policy.hold_down);
}

RC_GTEST_PROP(AnyTrace, ReplaysIdentically, ()) {
    Policy policy = some_policy();
    std::vector<Step> trace = *traces();
    World first = lived(policy, trace), second = lived(policy, trace);
    RC_ASSERT(first.sent == second.sent);
    RC_ASSERT(first.between == second.between);
    RC_ASSERT(first.returns == second.returns);
    RC_ASSERT(first.veto == second.veto);
}

RC_GTEST_PROP(AnyTrace, LooksThatSeeNothingNewChangeNothing, ()) {
    World world = lived(some_policy(), *traces());
    world.look();
    uint64_t veto = world.veto;
    auto again = world.again;
    world.look();
    RC_ASSERT(world.veto == veto);
    RC_ASSERT(world.again == again);
}

} // namespace
} // namespace hitless::test
