// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/host_text.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace hitless::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds(Instant time) {
    return std::chrono::duration<double>(time).count();
}

std::string word(const Json &of, const char *key) {
    return of.at(key).get<std::string>();
}

/// "1.25 ms", or "never".
std::string after(const Json &event, const char *key) {
    const Json &value = event.at(key);
    return value.is_null() ? "never" : fmt::format("{:.2f} ms", value.get<double>() * 1e3);
}

std::string health(const Json &guest) {
    if (guest.at("as_wished").get<bool>()) return "as wished";
    return guest.at("problems").empty() ? "on the way" : "degraded";
}

/// What its monitor says; "" where somebody else plugs.
std::string device_line(const Json &device) {
    if (device.is_null()) return "";
    const Json &plugged = device.at("plugged");
    const char *there = plugged.is_null() ? "not known" : plugged ? "plugged" : "not plugged";
    return fmt::format("  device   {}{}{}{}\n", there,
                       device.at("kept").get<bool>()
                           ? ", the last take failed: the guest did not release it in time"
                           : "",
                       device.at("migrating").get<bool>() ? ", a migration runs" : "",
                       device.at("elsewhere").get<bool>() ? ", the guest does not run here" : "");
}

std::string primary_of(const Json &guest) {
    const Json &said = guest.at("guest");
    return said.is_null() ? "not heard" : word(said, "primary");
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
            {"delivery", status.spec.move.empty() ? "bridge" : "exec"},
            {"want", name(status.give ? DataPath::primary : DataPath::standby)},
            {"phase", name(status.phase)},
            {"downlink", name(status.downlink)},
            {"as_wished", status.as_wished()},
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

std::string guests_table(const Json &guests) {
    std::vector<std::vector<std::string>> rows;
    for (const Json &guest : guests)
        rows.push_back({word(guest, "name"), word(guest, "want"), health(guest),
                        word(guest, "phase"), word(guest, "downlink"), primary_of(guest),
                        word(guest, "standby"), word(guest, "primary")});
    return table_text(
        {"GUEST", "WANT", "STATE", "PHASE", "DOWNLINK", "ITS PRIMARY", "STANDBY", "PRIMARY"}, rows);
}

std::string guest_text(const Json &guest) {
    const Json &said = guest.at("guest"), &silent = guest.at("silent_s");
    std::string out =
        fmt::format("{}: {} wanted, {}\n", word(guest, "name"), word(guest, "want"),
                    health(guest)) +
        fmt::format("  phase    {}, downlink {}{}\n", word(guest, "phase"), word(guest, "downlink"),
                    guest.at("held").get<bool>() ? ", held there" : "") +
        fmt::format("  ports    standby {}, primary {}, by {}\n", word(guest, "standby"),
                    word(guest, "primary").empty() ? "unnamed" : word(guest, "primary"),
                    word(guest, "delivery"));
    out += said.is_null()
               ? "  guest    not heard: no hitless runs in it, or it is not up\n"
               : fmt::format("  guest    {}, primary {}, heard {:.1f} s ago\n",
                             said.at("able").get<bool>() ? "able" : "not able",
                             word(said, "primary"), silent.is_null() ? 0 : silent.get<double>());
    out += device_line(guest.at("device"));
    std::vector<std::string> counts;
    for (const auto &[name, count] : guest.at("counters").items())
        counts.push_back(fmt::format("{} {}", count.get<uint64_t>(), name));
    out += fmt::format("  messages {}\n", fmt::join(counts, ", "));
    for (const Json &problem : guest.at("problems"))
        out += fmt::format("  problem: {}\n", problem.get<std::string>());
    return out;
}

std::string host_event_line(const Json &event) {
    double wall = event.at("time_s").get<double>();
    auto whole = static_cast<time_t>(wall);
    auto micros = static_cast<int>((wall - static_cast<double>(whole)) * 1e6);
    return fmt::format(
        "{:%Y-%m-%dT%H:%M:%S}.{:06}Z {} {}: the guest answered after {}, moved after {}{}, "
        "{} frames lost",
        fmt::gmtime(whole), micros, word(event, "guest"), word(event, "kind"),
        after(event, "answered_s"), after(event, "moved_s"),
        event.at("overdue").get<bool>() ? " at the deadline" : "",
        event.at("lost_frames").get<uint64_t>());
}

} // namespace hitless::cli
