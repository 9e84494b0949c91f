// SPDX-License-Identifier: BSD-2-Clause
//
// What must hold between host and guest whatever the network and either side do.
#include "tests/core/channel_world.hpp"

#include <gtest/gtest.h>
#include <ostream>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hitless::test {

void showValue(const ChannelStep &step, std::ostream &out) {
    constexpr const char *names[] = {
        "give",   "take",  "host dies", "host starts", "controller dies", "controller starts",
        "reboot", "reset", "carrier",   "snapshot",    "revert",          "lie"};
    out << "+" << step.wait.count() << " ms " << names[step.what];
}

namespace {

rc::Gen<std::vector<ChannelStep>> traces(bool with_lies = true) {
    auto what = rc::gen::map(rc::gen::inRange(0, static_cast<int>(ChannelStep::whats) - !with_lies),
                             [](int i) { return static_cast<ChannelStep::What>(i); });
    auto calm = rc::gen::weightedElement<ChannelStep::What>({{4, ChannelStep::give},
                                                             {4, ChannelStep::take},
                                                             {1, ChannelStep::host_starts},
                                                             {1, ChannelStep::controller_starts}});
    auto wait = rc::gen::map(rc::gen::oneOf(rc::gen::just(0), rc::gen::inRange(0, 20),
                                            rc::gen::inRange(0, 400), rc::gen::inRange(0, 8000)),
                             [](int ms) { return milliseconds(ms); });
    return rc::gen::container<std::vector<ChannelStep>>(
        rc::gen::construct<ChannelStep>(rc::gen::oneOf(what, calm), wait));
}

ChannelWorld some_world() {
    ChannelWorld::Network network{.lost = *rc::gen::element(0, 30, 60),
                                  .doubled = *rc::gen::element(0, 30),
                                  .delay = milliseconds(*rc::gen::element(0, 1, 50))};
    return ChannelWorld(*rc::gen::arbitrary<unsigned>(), network);
}

ChannelWorld lived(bool with_lies = true) {
    ChannelWorld world = some_world();
    world.apply({ChannelStep::host_starts, milliseconds(0)});
    world.apply({ChannelStep::controller_starts, milliseconds(0)});
    for (const ChannelStep &step : *traces(with_lies))
        world.apply(step);
    return world;
}

RC_GTEST_PROP(AnyConversation, KeepsTheOrderOfGiveAndTake, ()) {
    ChannelWorld world = lived();
    RC_ASSERT(world.early_downlinks == 0u);
    RC_ASSERT(world.early_takes == 0u);
    RC_ASSERT(world.early_unplugs == 0u);
}

/// For a NIC that filters for an address once a driver is there: never changed under that driver.
RC_GTEST_PROP(AnyConversation, PreparesTheNicBeforeItIsPlugged, ()) {
    ChannelWorld world = lived();
    RC_ASSERT(world.unprepared_plugs == 0u);
    RC_ASSERT(world.late_changes == 0u);
}

RC_GTEST_PROP(AnyConversation, WaitsForNoGuestLongerThanTheDeadline, ()) {
    ChannelWorld world = lived();
    RC_ASSERT(world.late_takes == 0u);
}

RC_GTEST_PROP(AnyConversation, ObeysNobodyWhoDoesNotEchoIt, ()) {
    RC_ASSERT(lived().lies_obeyed == 0u);
}

RC_GTEST_PROP(AnyConversation, EndsInAgreementWhenTheLossEnds, ()) {
    ChannelWorld world = lived();
    world.settle();
    RC_ASSERT(world.plugged() == world.request());
    RC_ASSERT(world.uses_primary() == world.request());
    RC_ASSERT(world.downlink() == (world.request() ? DataPath::primary : DataPath::standby));
    RC_ASSERT(world.host().phase() ==
              (world.request() ? HostChannel::Phase::given : HostChannel::Phase::taken));
    RC_ASSERT(world.host().guest());
    RC_ASSERT(*world.host().guest() == world.guest().said());
    RC_ASSERT(world.guest().host());
}

RC_GTEST_PROP(AnyConversation, RestsAtOneMessageASecond, ()) {
    ChannelWorld world = lived();
    world.settle();
    unsigned host = world.host_messages, guest = world.guest_messages;
    unsigned wanted = world.answers_wanted, moved = world.deliveries;
    world.run(world.now() + std::chrono::seconds(20));
    RC_ASSERT(world.host_messages - host <= 21u);
    RC_ASSERT(world.guest_messages - guest <= 21u);
    RC_ASSERT(world.host_messages - host >= 19u); // or the lease ends
    RC_ASSERT(world.answers_wanted == wanted);
    RC_ASSERT(world.deliveries == moved);
}

/// Looking whether a primary may be given costs the host much; what the guest sends there meanwhile
/// leads no frames to it, and nobody falls silent.
RC_GTEST_PROP(AnyConversation, TriesSeldomWhatIsRefused, ()) {
    ChannelWorld world = lived();
    world.refuses = true;
    world.apply({ChannelStep::take, milliseconds(0)});
    world.settle();
    world.apply({ChannelStep::give, milliseconds(0)});
    world.run(world.now() + std::chrono::seconds(1));
    if (*rc::gen::arbitrary<bool>()) world.learn_primary();
    const unsigned refusals = world.refusals, said = world.host_messages;
    for (int second = 0; second < 60; second++) {
        world.run(world.now() + std::chrono::seconds(1));
        RC_ASSERT(world.downlink() == DataPath::standby);
        RC_ASSERT(world.host().phase() == HostChannel::Phase::readying);
        RC_ASSERT(!world.uses_primary());
        if (*rc::gen::weightedElement<bool>({{9, false}, {1, true}})) world.learn_primary();
        world.run(world.now() + milliseconds(10));
    }
    RC_ASSERT(world.refusals - refusals <= 12u); // 0.8, 1.6, ... 10, 10 s
    RC_ASSERT(world.host_messages - said >= 59u);
    world.refuses = false;
    world.run(world.now() + std::chrono::seconds(11));
    RC_ASSERT(world.host().phase() == HostChannel::Phase::given);
    RC_ASSERT(!world.learnt());
}

RC_GTEST_PROP(AnyConversation, IsNeverAFlood, ()) {
    ChannelWorld world = lived();
    auto ms = static_cast<unsigned>(world.now() / Instant(milliseconds(1)));
    RC_ASSERT(world.host_messages <= 64u * 100 + ms);
    RC_ASSERT(world.messages_unasked == 0u);
}

} // namespace
} // namespace hitless::test
