// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "loader/api.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

namespace hitless::cli {
namespace {

/// One of the version before keeps what is its own, and nothing that is ours by now.
void warn_of_foreign_controller(Env &env) {
    std::optional<int> pid = foreign_controller_pid();
    std::vector<UnreadablePair> others;
    if (!pid || status(&others).empty()) return;
    env.err << fmt::format("hitless: process {} is a controller of another version: it keeps no "
                           "pair that is taken over; `systemctl restart hitless`, or `kill {}` and "
                           "`hitless run`\n",
                           *pid, *pid);
}

int upgrade_pairs(bool check, Env &env) {
    int code = exit_ok;
    const std::vector<Upgraded> former = upgrade(check);
    if (former.empty()) env.out << "no pair here was made by an older version\n";
    for (const Upgraded &pair : former) {
        if (pair.refused.empty()) {
            env.out << fmt::format("{}: {} from ABI {}\n", pair.standby,
                                   check ? "can be taken over" : "taken over", pair.from);
            if (!pair.remark.empty())
                env.err << fmt::format("hitless: {}: {}\n", pair.standby, pair.remark);
            continue;
        }
        env.err << fmt::format("hitless: {}: {}\n", pair.standby, pair.refused);
        code = std::max<int>(code, exit_code(pair.error));
    }
    if (!check) warn_of_foreign_controller(env);
    return code;
}

} // namespace

Run setup_upgrade(CLI::App &app) {
    auto check = std::make_shared<bool>(false);
    app.add_flag("--check", *check, "say what would be taken over or refused, change nothing");
    return [check](Env &env) { return upgrade_pairs(*check, env); };
}

} // namespace hitless::cli
