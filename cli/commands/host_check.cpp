// SPDX-License-Identifier: BSD-2-Clause
#include "cli/commands/host_commands.hpp"
#include "cli/config/host_config.hpp"
#include "cli/output/json.hpp"
#include "loader/host/host.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sys/stat.h>

namespace hitless::cli {
namespace {

using Find = std::function<void(const std::string &guest, const std::string &problem)>;

/// Its socket is made by QEMU as it starts.
std::string what_bars_plugging(const GuestSpec &guest) {
    const std::string &path = guest.plug.monitor;
    struct stat is {};
    if (path.empty() || (stat(path.c_str(), &is) == 0 && S_ISSOCK(is.st_mode))) return "";
    return fmt::format("there is no monitor socket {}; start its QEMU with `-qmp "
                       "unix:{},server=on,wait=off`, or mend `monitor` of the guest at {}",
                       path, path, guest.origin);
}

using Told = std::optional<nlohmann::ordered_json>; ///< by the daemon; nothing: none runs

/// What the daemon knows and this look does not: who speaks on a tap, say.
void find_by_daemon(const Told &told, const std::vector<std::string> &known, const Find &find) {
    if (!told)
        return find("", "no daemon runs in this network namespace, so nothing is given or taken; "
                        "`systemctl enable --now hitless-host`, or `hitless host run`");
    for (const auto &guest : told->at("guests"))
        for (const std::string problem : guest.at("problems"))
            if (std::ranges::find(known, problem) == known.end())
                find(guest.at("name").get<std::string>(), problem);
}

/// It hears that guest, by the address with which it is described here; or names why not.
bool is_known_to_daemon(const Told &told, const GuestSpec &guest) {
    if (!told) return false;
    for (const auto &one : told->at("guests"))
        if (one.at("name") == guest.name && one.at("mac") == guest.mac.text())
            return !one.at("guest").is_null() || !one.at("problems").empty();
    return false;
}

int check(const std::string &config, bool json, Env &env) {
    const std::string file = config.empty() ? default_host_config : config;
    std::vector<GuestSpec> guests = read_host_config(file, !config.empty());
    auto findings = nlohmann::ordered_json::array();
    std::vector<std::string> known;
    const Find find = [&](const std::string &guest, const std::string &problem) {
        known.push_back(problem);
        findings.push_back({{"guest", guest}, {"problem", problem}});
        if (!json) env.out << fmt::format("{}: {}\n", guest.empty() ? "this host" : guest, problem);
    };
    if (std::string lack = what_host_lacks(); !lack.empty()) find("", lack);
    for (const GuestSpec &guest : guests)
        for (const std::string &obstacle : {what_bars(guest), what_bars_plugging(guest)})
            if (!obstacle.empty()) find(guest.name, obstacle);
    const Told told = guests.empty() ? std::nullopt : host_daemon_status();
    if (!guests.empty()) find_by_daemon(told, std::vector<std::string>(known), find);
    for (const GuestSpec &guest : guests)
        if (!is_known_to_daemon(told, guest))
            if (std::string other = what_is_heard_instead(guest); !other.empty())
                find(guest.name, other);
    auto functions = nlohmann::ordered_json::array();
    for (const PhysicalFunctionReport &pf : physical_functions()) {
        functions.push_back({{"name", pf.name},
                             {"driver", pf.driver},
                             {"functions", pf.functions},
                             {"kind", name(pf.kind)},
                             {"served", !pf.refused()}});
        if (!json)
            env.out << fmt::format("{}: {} VFs of the kind {}{}: {}\n", pf.name, pf.functions,
                                   name(pf.kind), pf.refused() ? ", not served" : "", pf.why);
    }
    if (json)
        env.out << to_text({{"version", json_version},
                            {"guests", guests.size()},
                            {"physical_functions", functions},
                            {"findings", findings}})
                << '\n';
    else
        env.out << fmt::format(
            "guests in {} and {}.d: {}; in the way: {}\n", file, file, guests.size(),
            !findings.empty() ? std::to_string(findings.size())
            : guests.empty()  ? "no guest is described; `man hitless-host` shows how"
                              : "nothing");
    if (!findings.empty()) return exit_degraded;
    return guests.empty() ? exit_nothing : exit_ok;
}

} // namespace

Run setup_host_check(CLI::App &app) {
    struct Options {
        std::string config;
        bool json = false;
    };
    auto options = std::make_shared<Options>();
    app.add_option("--config", options->config, "as of `hitless host run`")->type_name("FILE");
    app.add_flag("-j,--json", options->json, "as JSON");
    return [options](Env &env) { return check(options->config, options->json, env); };
}

} // namespace hitless::cli
