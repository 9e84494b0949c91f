// SPDX-License-Identifier: BSD-2-Clause
#include "proving/flow.hpp"

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
    return receiver_.settled(from, to, patience);
}

} // namespace hitless::proving
