// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/flow.hpp"

namespace hitless::testbed {

Flow::Flow(const Netns &from, const Netns &to, const FlowSpec &spec) : Flow(from, spec, to, spec) {}

Flow::Flow(const Netns &from, const FlowSpec &send, const Netns &to, const FlowSpec &receive)
    : receiver_(in_netns(to, [&] { return Receiver(receive); })),
      sender_(in_netns(from, [&] { return Sender(send); })) {}

Tally Flow::since(std::uint64_t mark, std::chrono::milliseconds patience) const {
    return between(mark, sender_.next(), patience);
}

Tally Flow::between(std::uint64_t from, std::uint64_t to,
                    std::chrono::milliseconds patience) const {
    return receiver_.settled(from, to, patience);
}

std::uint64_t frames_in(std::uint64_t ns, unsigned rate) {
    constexpr std::uint64_t second = 1'000'000'000;
    return (ns * rate + second - 1) / second;
}

std::uint64_t frames_unheard(const Tally &up, const Tally &down, unsigned rate) {
    const std::uint64_t unheard = up.longest_gap_ns + up.longest_delay_ns;
    return std::min(frames_in(unheard, Sender::fastest * rate),
                    frames_in(unheard + down.longest_gap_ns, rate)) +
           frames_in(Sender::longest_burst_ns, rate);
}

std::uint64_t frames_in_flight(const Tally &flow, unsigned rate) {
    return frames_in(flow.longest_delay_ns + Sender::burst_ns, rate);
}

} // namespace hitless::testbed
