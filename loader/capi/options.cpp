// SPDX-License-Identifier: BSD-2-Clause
#include "loader/capi/options.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>

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

constexpr int32_t an_hour_ms = 3'600'000, a_minute_ms = 60'000;

void take_time(int32_t given_ms, std::chrono::milliseconds &value, const char *name,
               int32_t longest_ms = an_hour_ms) {
    if (given_ms > longest_ms)
        throw Error(EINVAL, fmt::format("read {} {}", name, given_ms), "it is out of range",
                    fmt::format("use at most {}", longest_ms));
    if (given_ms) value = std::chrono::milliseconds(std::max(given_ms, 0));
}

/// The place of a word among `known`; the first when none is given.
size_t word(const char *given, std::span<const std::string_view> known, const char *what) {
    if (!given) return 0;
    auto at = std::ranges::find(known, given);
    if (at == known.end())
        throw Error(EINVAL, fmt::format("read the {} '{}'", what, given), "it is none",
                    fmt::format("use {}", fmt::join(known, ", ")));
    return static_cast<size_t>(at - known.begin());
}

Policy policy_of(const hitless_policy *given) {
    Policy out;
    if (!given) return out;
    hitless_policy policy = sized(*given, "hitless_policy");
    take_time(policy.hold_down_ms, out.hold_down, "hold_down_ms");
    take_time(policy.up_delay_ms, out.probing.up_delay, "up_delay_ms");
    take_time(policy.probe_interval_ms, out.probing.interval, "probe_interval_ms", a_minute_ms);
    take_time(policy.probe_rest_ms, out.probing.rest, "probe_rest_ms");
    take_time(policy.proof_timeout_ms, out.probing.timeout, "proof_timeout_ms");
    out.reselect = static_cast<hl_reselect>(word(policy.reselect, reselect_names, "reselect"));
    out.announce = static_cast<hl_announce>(word(policy.announce, announce_names, "announce"));
    out.carrier = static_cast<hl_carrier>(word(policy.carrier, carrier_names, "carrier"));
    return out;
}

hl_model model_of(const char *given, hl_datapath datapath) {
    if (!given) return datapath == HL_DATAPATH_XDP ? HL_MODEL_THREE : HL_MODEL_TWO;
    std::optional<hl_model> model = model_named(given);
    if (!model)
        throw Error(EINVAL, fmt::format("read the model '{}'", given), "it is none",
                    "use two, three, hidden, one");
    return *model;
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
    constexpr std::string_view datapaths[] = {"tc", "xdp"}; // as enum hl_datapath has them
    out.datapath = static_cast<hl_datapath>(word(options.datapath, datapaths, "datapath"));
    out.model = model_of(options.model, out.datapath);
    if (options.failover) out.failover = options.failover;
    out.gate = options.gate;
    out.checksums_complete = options.checksums_complete;
    out.policy = policy_of(options.policy);
    for (const auto *const *name = options.other_standbys; name && *name; name++)
        out.other_standbys.emplace_back(*name);
    if (options.origin) out.origin = options.origin;
    return out;
}

Controller::Options control_of(const hitless_control_options *given) {
    Controller::Options out;
    if (!given) return out;
    hitless_control_options options = sized(*given, "hitless_control_options");
    out.auto_pair = !options.only_listed;
    out.host = !options.ignore_host;
    out.policy = policy_of(options.policy);
    for (const auto *const *pair = options.pairs; pair && *pair; pair++)
        out.pairs.push_back(request_of(**pair));
    return out;
}

} // namespace hitless
