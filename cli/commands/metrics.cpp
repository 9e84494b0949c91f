// SPDX-License-Identifier: BSD-2-Clause
#include "cli/observe/metrics.hpp"
#include "cli/command.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

namespace hitless::cli {

Run setup_metrics(CLI::App &app) {
    auto file = std::make_shared<std::string>();
    app.add_option("--file", *file, "write them there in one step, for a textfile collector")
        ->type_name("FILE");
    return [file](Env &env) -> int {
        std::string text = metrics_text(status(), controller_pid());
        if (file->empty())
            env.out << text;
        else
            write_atomically(*file, text);
        return exit_ok;
    };
}

} // namespace hitless::cli
