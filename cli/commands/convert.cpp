// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "loader/api.hpp"
#include "loader/core/models.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    ConvertRequest request;
    std::string model;
};

int convert_pair(Options &options, Env &env) {
    ConvertRequest &request = options.request;
    request.note = [&env](const std::string &line) { env.err << "hitless: " << line << '\n'; };
    request.model = model_named(options.model).value_or(HL_MODEL_TWO);
    Instant took = convert(request);
    env.out << fmt::format("{}: now of the model {}; it took {:.0f} ms\n", request.standby,
                           options.model, static_cast<double>(took.count()) / 1e6);
    return exit_ok;
}

} // namespace

Run setup_convert(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("standby", options->request.standby, "the pair's standby or failover device")
        ->required()
        ->type_name("STANDBY");
    app.add_option("--model", options->model, "what the guest shall see")
        ->check(CLI::IsMember({"two", "three", "hidden", "one"}))
        ->required();
    app.add_option("--failover", options->request.failover, "as for attach")->type_name("NAME");
    app.add_flag("--gap", options->request.gap, "though frames are lost on the way");
    return [options](Env &env) { return convert_pair(*options, env); };
}

} // namespace hitless::cli
