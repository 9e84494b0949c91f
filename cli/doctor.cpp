// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/json.hpp"

#include <algorithm>
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

int verdict(const std::vector<Finding> &findings) {
    auto worst = std::ranges::max(findings, {}, &Finding::grade).grade;
    if (worst == Finding::Grade::missing) return exit_failed;
    return worst == Finding::Grade::degraded ? exit_degraded : exit_ok;
}

} // namespace

Run setup_doctor(CLI::App &app) {
    auto json = std::make_shared<bool>(false);
    app.add_flag("-j,--json", *json, "as JSON");
    return [json](Env &env) {
        std::vector<Finding> findings = examine_machine();
        if (*json) {
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
