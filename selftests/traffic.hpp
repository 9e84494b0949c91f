// SPDX-License-Identifier: BSD-2-Clause
//
// Numbered traffic both ways at once, and what became of it.
//
//   Traffic traffic(bed);
//   const Marks before = traffic.mark();
//   ... the event ...
//   traffic.report("admin down", traffic.since(before));   // beside a control period
#pragma once

#include "testbed/flow.hpp"
#include "testbed/testbed.hpp"

#include <string>

namespace hitless::selftest {

struct Marks {
    std::uint64_t up = 0, down = 0;
};

struct Both {
    testbed::Tally up, down; ///< up: guest to far
};

/// Between whom it flows.
struct Ends {
    std::string guest = testbed::Testbed::guest4, far = testbed::Testbed::far4;
};

/// Frames a second each way, unless a test asks for its own: $HITLESS_SELFTEST_RATE, else 20,000.
/// An emulated guest carries a tenth of that.
unsigned usual_rate();

class Traffic {
  public:
    /// Starts, and returns when frames arrive both ways (addresses resolved, switch has learned).
    explicit Traffic(testbed::Testbed &bed, unsigned rate = usual_rate(), unsigned size = 64,
                     const Ends &ends = {});

    Marks mark() const { return {up_.mark(), down_.mark()}; }
    Both since(const Marks &from) const;
    /// Waits until `frames` more were sent and others behind them arrived; false when they do not.
    bool pass(unsigned frames) const;
    void stop();
    /// A period in which nothing happens: what this machine loses today all by itself.
    Both control();
    /// Prints the figures, with the control and the pressure on the CPU beside them.
    void report(const std::string &event, const Both &got) const;
    /// What the harness itself lost or could not send; 0, or the figures mean nothing.
    std::uint64_t own_losses() const;
    /// Frames down that may be lost to a switch that must learn anew where the guest is: it knows
    /// as soon as it hears the guest, so it is what was sent down until the guest's next frame.
    std::uint64_t unheard(const Both &got) const;
    /// Frames up that may have been under way at one moment: what was sent in the time that the
    /// slowest frame took.
    std::uint64_t in_flight(const Both &got) const;
    const testbed::Flow &up() const { return up_; }
    const testbed::Flow &down() const { return down_; }

  private:
    unsigned rate_;
    testbed::Flow up_, down_;
    Both control_;
};

/// 0 lost, 0 duplicated (and 0 reordered) both ways, or a test failure that says what.
void expect_nothing_lost(const std::string &event, const Both &got);
void expect_lost_at_most(const std::string &event, const testbed::Tally &got, std::uint64_t limit);
std::string text(const testbed::Tally &tally);
std::string cpu_pressure(); ///< "some avg10=..." of /proc/pressure/cpu, or ""

} // namespace hitless::selftest
