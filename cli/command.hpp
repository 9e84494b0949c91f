// SPDX-License-Identifier: BSD-2-Clause
//
// A subcommand: a file that adds itself to the parser and returns what to run. main.cpp's table is
// both dispatch and help.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

namespace CLI {
class App;
}

namespace hitless::cli {

// sysexits.h where it has a word for it; the rest is status's own.
enum Exit {
    exit_ok = 0,
    exit_failed = 1,
    exit_degraded = 2,
    exit_nothing = 3,
    exit_usage = 64,     // EX_USAGE
    exit_busy = 75,      // EX_TEMPFAIL: another controller
    exit_permission = 77 // EX_NOPERM
};

/// Of an errno that was the end of it.
Exit exit_code(int error);

struct Env {
    std::ostream &out;
    std::ostream &err;
    bool terminal; ///< out is one: colour and redrawing are welcome
};

/// "0.2.0 (ABI 7)": people compare the first, pairs the second.
std::string version();

using Run = std::function<int(Env &)>;

/// Adds options to its parser, returns the action.
using Setup = Run (*)(CLI::App &);

Run setup_run(CLI::App &);
Run setup_attach(CLI::App &);
Run setup_detach(CLI::App &);
Run setup_convert(CLI::App &);
Run setup_upgrade(CLI::App &);
Run setup_status(CLI::App &);
Run setup_explain(CLI::App &);
Run setup_switch(CLI::App &);
Run setup_events(CLI::App &);
Run setup_metrics(CLI::App &);
Run setup_watch(CLI::App &);
Run setup_demo(CLI::App &);
Run setup_doctor(CLI::App &);
Run setup_host(CLI::App &);
Run setup_bugreport(CLI::App &);
Run setup_complete(CLI::App &);

} // namespace hitless::cli
