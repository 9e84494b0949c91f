// SPDX-License-Identifier: BSD-2-Clause
#include "cli/commands/host_commands.hpp"
#include "cli/config/host_config.hpp"
#include "cli/output/json.hpp"
#include "loader/host/host.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

int check(const std::string &config, bool json, Env &env) {
    const std::string file = config.empty() ? default_host_config : config;
    std::vector<GuestSpec> guests = read_host_config(file, !config.empty());
    auto findings = nlohmann::ordered_json::array();
    auto find = [&](const std::string &guest, const std::string &problem) {
        findings.push_back({{"guest", guest}, {"problem", problem}});
        if (!json) env.out << fmt::format("{}: {}\n", guest.empty() ? "this host" : guest, problem);
    };
    if (std::string lack = what_host_lacks(); !lack.empty()) find("", lack);
    for (const GuestSpec &guest : guests)
        if (std::string obstacle = what_bars(guest); !obstacle.empty()) find(guest.name, obstacle);
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
        env.out << fmt::format("guests in {} and {}.d: {}; in the way: {}\n", file, file,
                               guests.size(),
                               findings.empty() ? "nothing" : std::to_string(findings.size()));
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
