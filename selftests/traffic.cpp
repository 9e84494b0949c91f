// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/traffic.hpp"

#include "loader/core/error.hpp"
#include "proving/until.hpp"

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>

namespace hitless::selftest {

using namespace proving;
using namespace std::chrono_literals;

namespace {

constexpr unsigned warm_frames = 200;
constexpr unsigned control_share = 5; // of a second
// A frame that waits in a queue of a busy machine is not lost; one that waits longer than this
// comes too late to count, and the machine is called starved.
constexpr auto patience = 400ms;

} // namespace

unsigned usual_rate() {
    const char *given = getenv("HITLESS_SELFTEST_RATE");
    const int rate = given ? atoi(given) : 0;
    return rate > 0 ? static_cast<unsigned>(rate) : 20'000;
}

Traffic::Traffic(NetLab &lab, unsigned rate, unsigned size, const Ends &ends)
    : rate_(rate),
      up_(lab.guest(), lab.far(), {.from = ends.guest, .to = ends.far, .rate = rate, .size = size}),
      down_(lab.far(), lab.guest(),
            {.from = ends.far, .to = ends.guest, .rate = rate, .size = size}) {
    up_.start();
    if (!until([&] { return up_.receiver().arrivals() > 0; }, 5s))
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
        10s);
}

Both Traffic::control() {
    const Marks from = mark();
    pass(rate_ / control_share);
    return since(from);
}

Both Traffic::since(const Marks &from) const {
    return {up_.since(from.up, patience), down_.since(from.down, patience)};
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

void expect_within(const std::string &what, double figure,
                   const std::function<std::optional<double>()> &once) {
    std::vector<double> took;
    while (took.size() < 5) {
        const std::optional<double> one = once();
        if (!one) return;
        took.push_back(*one);
        if (*one <= figure) return;
    }
    ADD_FAILURE() << fmt::format("{}: {:.1f}, not {} in any of five runs", what,
                                 fmt::join(took, ", "), figure);
}

} // namespace hitless::selftest
