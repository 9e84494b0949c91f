// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/config/config.hpp"
#include "cli/output/json.hpp"
#include "loader/core/shell_quoted.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

void print(const std::vector<Finding> &findings, Env &env) {
    constexpr const char *marks[] = {"ok      ", "degraded", "MISSING "};
    for (const Finding &finding : findings) {
        env.out << fmt::format("{}  {:<22} {}\n", marks[static_cast<int>(finding.grade)],
                               finding.what, finding.detail);
        if (!finding.remedy.empty()) env.out << fmt::format("{:>10}{}\n", "-> ", finding.remedy);
    }
}

/// What `run` would read, as it would: a controller that starts with what is wrong does not start.
Finding examine_configuration(const std::string &file) {
    bool given = !file.empty();
    Finding out{Finding::Grade::ok, "configuration", "", ""};
    try {
        Controller::Options options = read_config(given ? file : default_config, given);
        if (options.pairs.empty())
            out.detail = options.auto_pair ? "none needed: paravirtual NICs are paired by MAC"
                                           : "no pair is named, and `auto_pair` is off";
        else
            out.detail = fmt::format("{} pairs are named, {} of them match nothing now",
                                     options.pairs.size(), idle_rules(options).size());
    } catch (const Error &error) {
        out = {Finding::Grade::missing, out.what,
               fmt::format("{}; `hitless run` does not start with it", error.what()),
               fmt::format("mend it, then: hitless run --check{}{}", given ? " --config " : "",
                           shell_quoted(file))};
    }
    return out;
}

int verdict(const std::vector<Finding> &findings) {
    auto worst = std::ranges::max(findings, {}, &Finding::grade).grade;
    if (worst == Finding::Grade::missing) return exit_failed;
    return worst == Finding::Grade::degraded ? exit_degraded : exit_ok;
}

} // namespace

Run setup_doctor(CLI::App &app) {
    struct Options {
        bool json = false;
        std::string config;
    };
    auto options = std::make_shared<Options>();
    app.add_flag("-j,--json", options->json, "as JSON");
    app.add_option("--config", options->config, "of `run`; default /etc/hitless/hitless.toml")
        ->type_name("FILE");
    return [options](Env &env) {
        std::vector<Finding> findings = examine_machine();
        findings.push_back(examine_configuration(options->config));
        if (options->json) {
            auto list = nlohmann::ordered_json::array();
            for (const Finding &finding : findings)
                list.push_back(to_json(finding));
            env.out << to_text({{"version", json_version}, {"findings", list}}) << '\n';
        } else {
            print(findings, env);
        }
        return verdict(findings);
    };
}

} // namespace hitless::cli
