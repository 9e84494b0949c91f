// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/flip_line.hpp"
#include "cli/output/json.hpp"
#include "cli/signals.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

// The log is mapped memory: a look costs less than the wake-up it would save.
constexpr std::chrono::milliseconds look_interval{100};

void print(const std::vector<Flip> &flips, bool json, Env &env) {
    for (const Flip &flip : flips)
        env.out << (json ? to_text(to_json(flip)) : flip_line(flip)) << '\n';
    env.out.flush();
}

int follow(FlipReader &reader, bool json, Env &env) {
    Signals signals;
    while (!signals.wait(look_interval)) {
        reader.rescan();
        print(reader.read(), json, env);
    }
    return exit_ok;
}

} // namespace

Run setup_events(CLI::App &app) {
    struct Options {
        bool json = false, follow = false;
    };
    auto options = std::make_shared<Options>();
    app.add_flag("-f,--follow", options->follow, "go on until interrupted");
    app.add_flag("-j,--json", options->json, "one JSON object a line");
    return [options](Env &env) -> int {
        FlipReader reader;
        print(reader.read(), options->json, env);
        return options->follow ? follow(reader, options->json, env) : exit_ok;
    };
}

} // namespace hitless::cli
