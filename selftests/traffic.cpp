// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/traffic.hpp"

#include "loader/core/error.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>

namespace hitless::selftest {

using namespace testbed;
using namespace std::chrono_literals;

namespace {

constexpr unsigned warm_frames = 200;
constexpr unsigned control_share = 5; // of a second
// For a frame that others have overtaken, which wait in another queue; who is not scheduled at all
// is waited for first.
constexpr auto patience = 400ms;

} // namespace

unsigned usual_rate() {
    const char *given = getenv("HITLESS_SELFTEST_RATE");
    const int rate = given ? atoi(given) : 0;
    return rate > 0 ? static_cast<unsigned>(rate) : 20'000;
}

Traffic::Traffic(Testbed &bed, unsigned rate, unsigned size, const Ends &ends)
    : rate_(rate),
      up_(bed.guest(), bed.far(), {.from = ends.guest, .to = ends.far, .rate = rate, .size = size}),
      down_(bed.far(), bed.guest(),
            {.from = ends.far, .to = ends.guest, .rate = rate, .size = size}) {
    up_.start();
    if (!until([&] { return up_.receiver().arrivals() > 0; }))
        throw Error(ETIMEDOUT, "send from the guest");
    down_.start(); // the guest has spoken first, so the switch knows where it is
    if (!pass(warm_frames)) throw Error(ETIMEDOUT, "send both ways");
    control_ = control();
}

bool Traffic::pass(unsigned frames) const {
    const Marks from = mark();
    return until(
        [&] {
            return up_.receiver().seen() >= from.up + frames &&
                   down_.receiver().seen() >= from.down + frames;
        },
        default_patience + std::chrono::seconds(4 * frames / rate_));
}

Both Traffic::control() {
    const Marks from = mark();
    pass(rate_ / control_share);
    return since(from);
}

Both Traffic::since(const Marks &from) const {
    const Marks to = mark();
    until([&] { return up_.receiver().seen() >= to.up && down_.receiver().seen() >= to.down; });
    return {up_.between(from.up, to.up, patience), down_.between(from.down, to.down, patience)};
}

void Traffic::stop() {
    up_.stop();
    down_.stop();
}

std::uint64_t Traffic::own_losses() const {
    return up_.receiver().socket_drops() + down_.receiver().socket_drops();
}

std::string text(const Tally &t) {
    return fmt::format("{}/{}/{} of {} gap {:.1f} ms", t.lost, t.duplicated, t.reordered, t.frames,
                       static_cast<double>(t.longest_gap_ns) / 1e6);
}

void Traffic::report(const std::string &event, const Both &got) const {
    fmt::print("  {:<28} lost/dup/reord  up {}  down {}  (control up {} down {}; not sent {}+{}, "
               "socket {}; cpu {})\n",
               event, text(got.up), text(got.down), text(control_.up), text(control_.down),
               up_.sender().not_sent(), down_.sender().not_sent(), own_losses(), cpu_pressure());
    EXPECT_EQ(own_losses(), 0U) << "the harness itself lost frames";
}

void expect_nothing_lost(const std::string &event, const Both &got) {
    for (const auto &[way, t] : {std::pair("up", got.up), std::pair("down", got.down)}) {
        EXPECT_GT(t.frames, 0U) << event << ", " << way << ": nothing was sent";
        EXPECT_EQ(t.lost, 0U) << event << ", " << way;
        EXPECT_EQ(t.duplicated, 0U) << event << ", " << way;
    }
}

std::uint64_t Traffic::unheard(const Both &got) const {
    return frames_unheard(got.up, got.down, rate_);
}

std::uint64_t Traffic::in_flight(const Both &got) const {
    return frames_in_flight(got.up, rate_);
}

void expect_lost_at_most(const std::string &event, const Tally &got, std::uint64_t limit) {
    EXPECT_GT(got.frames, 0U) << event << ": nothing was sent";
    EXPECT_LE(got.lost, limit) << event;
    EXPECT_EQ(got.duplicated, 0U) << event;
}

std::string cpu_pressure() {
    std::ifstream file("/proc/pressure/cpu");
    std::string some, average;
    file >> some >> average;
    return average;
}

} // namespace hitless::selftest
