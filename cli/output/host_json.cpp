// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/host_json.hpp"
#include "cli/output/json.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <nlohmann/json.hpp>

namespace hitless::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Instant time) {
    return std::chrono::duration<double>(time).count();
}

} // namespace

Json to_json(const GuestStatus &status) {
    Json said = nullptr;
    if (status.said)
        said = {{"able", status.said->able},
                {"primary", name(status.said->primary)},
                {"slot", status.said->slot}};
    Json device = nullptr;
    if (status.device)
        device = {{"plugged", status.device->plugged ? Json(*status.device->plugged) : Json()},
                  {"migrating", status.device->migrating},
                  {"elsewhere", status.device->elsewhere},
                  {"kept", status.kept}};
    Json counters;
#define X(constant, text, meaning) counters[text] = status.counts.counts[HL_TAP_COUNT_##constant];
    HL_TAP_COUNT_LIST(X)
#undef X
    counters["sent"] = status.sent;
    return {{"name", status.spec.name},
            {"mac", status.spec.mac.text()},
            {"standby", status.spec.standby},
            {"primary", status.spec.primary},
            {"vf", status.spec.vf ? Json(*status.spec.vf) : Json()},
            {"delivery", !status.spec.move.empty() ? "exec"
                         : status.spec.vf          ? "vf"
                                                   : "bridge"},
            {"want", name(status.give ? DataPath::primary : DataPath::standby)},
            {"phase", name(status.phase)},
            {"downlink", name(status.downlink)},
            {"as_requested", status.as_requested()},
            {"held", status.held},
            {"overdue", status.overdue},
            {"since_s", wall_seconds(status.since)},
            {"silent_s", status.last_heard ? Json(seconds(now() - *status.last_heard)) : Json()},
            {"guest", said},
            {"device", device},
            {"problems", status.problems},
            {"counters", counters}};
}

Json to_json(const HostEvent &event) {
    bool answered = event.answered != Instant{0};
    return {{"time_s", wall_seconds(event.began)},
            {"guest", event.guest},
            {"kind", name(event.kind)},
            {"answered_s", answered ? Json(seconds(event.answered - event.began)) : Json()},
            {"moved_s", seconds(event.moved - event.began)},
            {"overdue", event.overdue},
            {"lost_frames", event.lost_frames}};
}

} // namespace hitless::cli
