// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/config.hpp"
#include "cli/observe/journal.hpp"
#include "cli/serve/services.hpp"
#include "cli/service.hpp"
#include "cli/show.hpp"
#include "cli/signals.hpp"
#include "loader/hitless.hpp"

#include <fmt/format.h>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    std::string config;
    bool once = false;
    Services::Options services;
};

int control(const Options &options, Env &env) {
    Controller::Options with =
        options.config.empty() ? Controller::Options{} : read_config(options.config);
    Service manager;
    with.log = [&](const std::string &line) {
        env.out << line << std::endl;
        manager.says(line);
    };
    std::optional<Services> services;
    with.on_flip = [&env, &services, journalled = under_journal()](const Flip &flip) {
        if (journalled)
            journal(flip);
        else
            env.out << flip_line(flip) << std::endl;
        if (services) services->flipped(flip);
    };
    Signals signals;
    auto log = with.log;
    Controller controller(std::move(with));
    if (options.once) return exit_ok;
    services.emplace(options.services, log);
    services->watch(controller.fd());
    manager.ready();
    // The watchdog is answered from here only: it asks whether this loop goes round.
    while (!signals.wait_or(services->fd(), manager.pulse())) {
        controller.process();
        services->process();
        if (manager.pulse()) manager.alive();
    }
    manager.stopping();
    return exit_ok; // the datapath stays in force
}

} // namespace

Run setup_run(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("--config", options->config,
                   "TOML file; without it, every paravirtual NIC is "
                   "paired with the PCI NIC of the same MAC")
        ->type_name("FILE");
    app.add_flag("--once", options->once, "make and adopt pairs, then end");
    Services::add_options(app, options->services);
    return [options](Env &env) { return control(*options, env); };
}

} // namespace hitless::cli
