// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/policy.hpp"

#include <algorithm>

namespace hitless::cli {
namespace {

constexpr int64_t an_hour = 3'600'000, a_minute = 60'000;
using Ms = std::chrono::milliseconds;

// Named, not lambdas in the table: clang-format 14 takes those that return a reference apart.
Ms &hold_down(Policy &p) {
    return p.hold_down;
}
Ms &up_delay(Policy &p) {
    return p.probing.up_delay;
}
Ms &probe_interval(Policy &p) {
    return p.probing.interval;
}
Ms &probe_rest(Policy &p) {
    return p.probing.rest;
}
Ms &proof_timeout(Policy &p) {
    return p.probing.timeout;
}

constexpr Timing table[] = {
    {"hold_down_ms", hold_down, an_hour,
     "milliseconds that a lost primary must be good before it is used again"},
    {"up_delay_ms", up_delay, an_hour, "milliseconds from carrier to the first use of a primary"},
    {"probe_interval_ms", probe_interval, a_minute,
     "milliseconds between probes while the guest sends; 0: never probe"},
    {"probe_rest_ms", probe_rest, an_hour,
     "milliseconds between probes while it only listens; 0: none then"},
    {"proof_timeout_ms", proof_timeout, an_hour,
     "milliseconds until a primary is used though nobody answers on either NIC"},
};

std::string stem(std::string_view key) {
    return std::string(key.substr(0, key.rfind('_')));
}

} // namespace

std::string Timing::option() const {
    std::string name = stem(key);
    std::ranges::replace(name, '_', '-');
    return "--" + name;
}

std::string Timing::field() const {
    return stem(key) + "_s";
}

std::span<const Timing> timings() {
    return table;
}

std::optional<size_t> place_of(std::string_view word, std::span<const std::string_view> names) {
    auto at = std::ranges::find(names, word);
    if (at == names.end()) return std::nullopt;
    return static_cast<size_t>(at - names.begin());
}

} // namespace hitless::cli
