// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "loader/api.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <ostream>

namespace hitless::cli {

Run setup_detach(CLI::App &app) {
    struct Options {
        std::string standby;
        bool all = false;
    };
    auto options = std::make_shared<Options>();
    auto *standby =
        app.add_option("standby", options->standby, "the pair's standby")->type_name("STANDBY");
    auto *all = app.add_flag("--all", options->all, "every pair of this network namespace");
    standby->excludes(all);
    app.final_callback([options] {
        if (options->standby.empty() && !options->all) throw CLI::RequiredError("STANDBY or --all");
    });
    return [options](Env &env) {
        auto note = [&env](const std::string &line) { env.err << "hitless: " << line << '\n'; };
        if (options->all)
            env.out << fmt::format("detached: {}\n", detach_all(note));
        else
            detach(options->standby, note);
        return exit_ok;
    };
}

} // namespace hitless::cli
