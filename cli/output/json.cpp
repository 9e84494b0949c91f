// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/json.hpp"
#include "cli/config/policy.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <nlohmann/json.hpp>

namespace hitless::cli {

using Json = nlohmann::ordered_json;

namespace {

Json nic_json(const NicStatus &nic) {
    return {{"ifname", nic.ifname},   {"ifindex", number(nic.index)},
            {"mac", nic.mac.text()},  {"bus", nic.bus},
            {"present", nic.present}, {"up", nic.up},
            {"carrier", nic.carrier}, {"mtu", nic.mtu}};
}

double seconds(Instant t) {
    return std::chrono::duration<double>(t).count();
}

Json host_json(const HostStatus &host) {
    return {{"speaks", host.speaks}, {"want", name(host.want)}, {"downlink", name(host.downlink)},
            {"able", host.able},     {"told", name(host.told)}, {"slot", host.slot},
            {"heard", host.heard},   {"ignored", host.ignored}, {"sent", host.sent}};
}

} // namespace

std::string to_text(const Json &json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double wall_seconds(Instant t) {
    auto wall = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(wall).count() - seconds(now() - t);
}

Json to_json(const PairStatus &pair) {
    Json counters, problems = Json::array();
    for (const Problem &problem : pair.problems)
        problems.push_back(problem.text());
    for (size_t i = 0; i < HL_COUNTERS; i++)
        counters[std::string(counter_names[i].name)] = pair.counters.frames[i];
    Json out = {{"name", pair.name},
                {"model", model_name(pair.model)},
                {"datapath", datapath_name(pair.datapath)},
                {"active", path_name(pair.primary_active)},
                {"healthy", pair.healthy()},
                {"veto", reason_names(pair.veto)},
                {"problems", std::move(problems)},
                {"liveness", liveness_names[pair.liveness]},
                {"selector", pair.selector.text()},
                {"flips", pair.flips},
                {"primary", nic_json(pair.primary)},
                {"standby", nic_json(pair.standby)},
                {"counters", std::move(counters)},
                {"failover", pair.failover}};
    Policy policy = pair.policy;
    for (const Timing &timing : timings())
        out[timing.field()] = seconds(timing.of(policy));
    out["reselect"] = reselect_names[policy.reselect];
    out["announce"] = announce_names[policy.announce];
    out["proved"] = pair.proved;
    out["carrier"] = carrier_names[policy.carrier];
    out["host"] = pair.host ? host_json(*pair.host) : Json(nullptr);
    return out;
}

Json to_json(const Flip &flip) {
    Json out = {{"time_s", wall_seconds(flip.time)},    {"pair", flip.pair},
                {"from", path_name(!flip.to_primary)},  {"to", path_name(flip.to_primary)},
                {"reason", reason_names(flip.reasons)}, {"actor", actor_names[flip.actor]}};
    out["lost_frames"] = flip.lost ? Json(*flip.lost) : Json(nullptr);
    out["duration_s"] = flip.lasted ? Json(seconds(*flip.lasted)) : Json(nullptr);
    return out;
}

Json to_json(const Finding &finding) {
    return {{"what", finding.what},
            {"grade", grade_names[static_cast<int>(finding.grade)]},
            {"detail", finding.detail},
            {"remedy", finding.remedy}};
}

} // namespace hitless::cli
