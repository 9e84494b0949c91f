// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/host_text.hpp"
#include "cli/output/table.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace hitless::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string word(const Json &of, const char *key) {
    return of.at(key).get<std::string>();
}

std::string ms(const Json &seconds) {
    return fmt::format("{:.2f} ms", seconds.get<double>() * 1e3);
}

/// The two ports count what they could not carry. What went into a primary that was dead already
/// nobody counts.
std::string losses(const Json &event) {
    const auto lost = event.at("lost_frames").get<uint64_t>();
    if (event.at("kind") == "fallback")
        return fmt::format("the ports dropped {} frames, and what the primary lost is not known",
                           lost);
    return fmt::format("{} frames lost", lost);
}

std::string health(const Json &guest) {
    if (guest.at("as_requested").get<bool>()) return "as requested";
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

/// "ens1f0_3", or "ens1f0 vf 3".
std::string primary_name(const Json &guest) {
    const Json &vf = guest.at("vf");
    return vf.is_null() ? word(guest, "primary")
                        : fmt::format("{} vf {}", word(guest, "primary"), vf.get<uint32_t>());
}

} // namespace

std::string guests_table(const Json &guests) {
    std::vector<std::vector<std::string>> rows;
    for (const Json &guest : guests)
        rows.push_back({word(guest, "name"), word(guest, "want"), health(guest),
                        word(guest, "phase"), word(guest, "downlink"), primary_of(guest),
                        word(guest, "standby"), primary_name(guest)});
    return table_text(
        {"GUEST", "WANT", "STATE", "PHASE", "DOWNLINK", "ITS PRIMARY", "STANDBY", "PRIMARY"}, rows);
}

std::string awaited(const Json &guest) {
    const Json &said = guest.at("guest");
    const std::string phase = word(guest, "phase");
    if (phase == "waiting")
        return said.is_null() ? "a word of `hitless run` in the guest"
                              : "the guest to be able: its operator has chosen the standby";
    if (phase == "plugging")
        return guest.at("device").is_null()
                   ? "somebody to plug its primary: no `monitor` is described for it"
                   : "its primary to be plugged";
    if (phase == "readying") return "the guest to receive by its primary";
    if (phase == "given")
        return "the guest to send by its primary; `hitless explain` in it says more";
    if (phase == "leaving") return "the guest to leave its primary";
    if (phase == "unplugging") return "the guest to release its primary";
    if (phase == "taken") return "the guest's word that it has left its primary";
    return "what is under way to arrive";
}

std::string guest_text(const Json &guest) {
    const Json &said = guest.at("guest"), &silent = guest.at("silent_s");
    std::string out =
        fmt::format("{}: {} wanted, {}\n", word(guest, "name"), word(guest, "want"),
                    health(guest)) +
        fmt::format("  phase    {}, downlink {}{}\n", word(guest, "phase"), word(guest, "downlink"),
                    guest.at("held").get<bool>() ? ", held there" : "") +
        fmt::format("  ports    standby {}, primary {}, by {}\n", word(guest, "standby"),
                    word(guest, "primary").empty() ? "unnamed" : primary_name(guest),
                    word(guest, "delivery"));
    if (!guest.at("as_requested").get<bool>())
        out += fmt::format("  waits    for {}\n", awaited(guest));
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
    const Json &answered = event.at("answered_s");
    const bool of_itself = event.at("kind") == "fallback"; // nobody asked
    double wall = event.at("time_s").get<double>();
    auto whole = static_cast<time_t>(wall);
    auto micros = static_cast<int>((wall - static_cast<double>(whole)) * 1e6);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z {} {}: {}moved after {}{}, {}",
                       fmt::gmtime(whole), micros, word(event, "guest"), word(event, "kind"),
                       of_itself ? ""
                       : answered.is_null()
                           ? "the guest did not answer, "
                           : fmt::format("the guest answered after {}, ", ms(answered)),
                       ms(event.at("moved_s")),
                       event.at("overdue").get<bool>() ? " at the deadline" : "", losses(event));
}

} // namespace hitless::cli
