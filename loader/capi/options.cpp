// SPDX-License-Identifier: BSD-2-Clause
#include "loader/capi/options.hpp"
#include "loader/core/names.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace hitless {
namespace {

/// A copy of our size: what an older caller does not have is zero; what a newer one has beyond that
/// must be.
template <typename T>
T sized(const T &given, const char *name) {
    std::string action = fmt::format("read struct {}", name);
    if (given.size < sizeof(given.size))
        throw Error(EINVAL, action, "its size is not set", "set .size = sizeof of it");
    T out{};
    const auto *bytes = reinterpret_cast<const char *>(&given);
    std::memcpy(static_cast<void *>(&out), bytes, std::min(given.size, sizeof(T)));
    for (size_t i = sizeof(T); i < given.size; i++)
        if (bytes[i])
            throw Error(E2BIG, action, "it asks for what this version does not know",
                        "update libhitless");
    return out;
}

Policy policy_of(int32_t hold_down_ms) {
    constexpr int32_t longest_ms = 3'600'000;
    if (hold_down_ms > longest_ms)
        throw Error(EINVAL, fmt::format("read hold_down_ms {}", hold_down_ms), "it is out of range",
                    fmt::format("use at most {}", longest_ms));
    Policy policy;
    if (hold_down_ms) policy.hold_down = std::chrono::milliseconds(std::max(hold_down_ms, 0));
    return policy;
}

void only(const char *given, const char *known, const char *what) {
    if (given && std::strcmp(given, known) != 0)
        throw Error(EINVAL, fmt::format("read the {} '{}'", what, given), "it is none",
                    fmt::format("use {}", known));
}

} // namespace

AttachRequest request_of(const hitless_attach_options &given) {
    hitless_attach_options options = sized(given, "hitless_attach_options");
    if (!options.standby)
        throw Error(EINVAL, "attach", "no standby is named", "set .standby to an interface name");
    AttachRequest out;
    out.standby = options.standby;
    if (options.primary) out.primary = Selector::parse(options.primary);
    if (options.liveness) out.liveness = parse_liveness(options.liveness);
    only(options.model, "two", "model");
    only(options.datapath, "tc", "datapath");
    out.policy = policy_of(options.hold_down_ms);
    return out;
}

Controller::Options control_of(const hitless_control_options &given) {
    hitless_control_options options = sized(given, "hitless_control_options");
    Controller::Options out;
    out.auto_pair = !options.only_listed;
    out.policy = policy_of(options.hold_down_ms);
    for (const auto *const *pair = options.pairs; pair && *pair; pair++)
        out.pairs.push_back(request_of(**pair));
    return out;
}

} // namespace hitless
