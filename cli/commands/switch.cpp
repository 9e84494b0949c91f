// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/json.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <memory>
#include <ostream>
#include <thread>

namespace hitless::cli {
namespace {

struct Options {
    std::string standby, path;
    Target target = Target::automatic;
    bool wait = false;
    double timeout_s = 10;
};

const std::map<std::string, Target> targets = {
    {"primary", Target::primary}, {"standby", Target::standby}, {"auto", Target::automatic}};

bool reached(const PairStatus &pair, Target target) {
    return target == Target::standby ? !pair.primary_active : pair.primary_active;
}

/// Until the path is what was asked for; the veto word is all that needs to be read.
int wait_for(const Options &options, Env &env) {
    Instant deadline = now() + std::chrono::duration_cast<Instant>(
                                   std::chrono::duration<double>(options.timeout_s));
    PairStatus pair = status(options.standby);
    while (!reached(pair, options.target) && now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        pair = status(options.standby);
    }
    if (reached(pair, options.target)) return exit_ok;
    env.err << fmt::format("hitless: switch {}: still on the {} after {} s; vetoes: {}; "
                           "`hitless status {}` shows more\n",
                           options.standby, pair.primary_active ? "primary" : "standby",
                           options.timeout_s, fmt::join(reason_names(pair.veto), ", "),
                           shell_quoted(options.standby));
    return exit_failed;
}

} // namespace

Run setup_switch(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("standby", options->standby, "the pair's standby")
        ->required()
        ->type_name("STANDBY");
    app.add_option("path", options->path,
                   "standby: leave the primary; auto: let policy decide again; primary: as auto, "
                   "and overrule every doubt")
        ->required()
        ->check(CLI::IsMember({"primary", "standby", "auto"}))
        ->type_name("primary|standby|auto");
    auto *wait = app.add_flag("--wait", options->wait, "return when the path is in use");
    app.add_option("--timeout", options->timeout_s, "seconds to wait")
        ->needs(wait)
        ->check(CLI::Range(0.0, 86400.0))
        ->capture_default_str()
        ->type_name("S");
    return [options](Env &env) {
        options->target = targets.at(options->path);
        switch_path(options->standby, options->target);
        return options->wait ? wait_for(*options, env) : exit_ok;
    };
}

} // namespace hitless::cli
