// SPDX-License-Identifier: BSD-2-Clause
#include "proving/flow.hpp"

#include "proving/until.hpp"

namespace hitless::proving {

Flow::Flow(const Netns &from, const Netns &to, const FlowSpec &spec) : Flow(from, spec, to, spec) {}

Flow::Flow(const Netns &from, const FlowSpec &send, const Netns &to, const FlowSpec &receive)
    : receiver_(in_netns(to, [&] { return Receiver(receive); })),
      sender_(in_netns(from, [&] { return Sender(send); })) {}

Tally Flow::since(std::uint64_t mark, std::chrono::milliseconds patience) const {
    return between(mark, sender_.next(), patience);
}

Tally Flow::between(std::uint64_t from, std::uint64_t to,
                    std::chrono::milliseconds patience) const {
    Tally tally;
    until(
        [&] {
            if (receiver_.seen() < to) return false;
            tally = receiver_.tally(from, to);
            return tally.lost == 0; // a frame overtaken on another path may still come
        },
        patience);
    return receiver_.tally(from, to);
}

} // namespace hitless::proving
