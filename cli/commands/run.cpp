// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/config/config.hpp"
#include "cli/observe/journal.hpp"
#include "cli/output/flip_line.hpp"
#include "cli/serve/pair_services.hpp"
#include "cli/serve/service_manager.hpp"
#include "cli/signals.hpp"
#include "loader/api.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    std::string config;
    bool once = false, check = false;
    Services::Options services;
};

Controller::Options configuration(const Options &options) {
    bool given = !options.config.empty();
    return read_config(given ? options.config : default_config, given);
}

/// What is wrong leaves the last good configuration in force.
void reload(const Options &options, Controller &controller, Env &env) {
    try {
        controller.reconfigure(configuration(options));
        env.out << "configuration: read again" << std::endl;
    } catch (const Error &error) {
        env.err << "hitless: " << error.what() << "; the last good configuration stays in force"
                << std::endl;
    }
}

/// Also what is right and yet does nothing here.
int check(const Options &options, Env &env) {
    Controller::Options with = configuration(options);
    std::vector<std::string> idle = idle_rules(with);
    for (const std::string &line : idle)
        env.out << line << '\n';
    env.out << fmt::format("configuration: {} pairs, {} of them match nothing\n", with.pairs.size(),
                           idle.size());
    return idle.empty() ? exit_ok : exit_degraded;
}

/// Only doubts stand against its primary, and time may still lift them.
bool waits_for_proof(const PairStatus &pair, Instant since) {
    constexpr uint64_t lifted_by_time = HL_VETO(UNPROVEN) | HL_VETO(HOLD_DOWN);
    constexpr std::chrono::milliseconds slack{100};
    const Probing &how = pair.policy.probing;
    return (pair.veto & lifted_by_time) && !(pair.veto & ~lifted_by_time) &&
           now() - since < how.up_delay + how.timeout + pair.policy.hold_down + slack;
}

/// After --once nobody is there to lift a doubt, so it is waited for as long as a controller that
/// lives would take at most. A signal ends it sooner.
void prove(Controller &controller, const Signals &signals) {
    constexpr std::chrono::milliseconds look{5};
    const Instant since = now();
    auto waits = [&](const PairStatus &pair) { return waits_for_proof(pair, since); };
    while (std::ranges::any_of(status(), waits) && !signals.wait_or(controller.fd(), look))
        controller.process();
}

int run_once(Controller &controller, const Signals &signals) {
    try {
        prove(controller, signals);
    } catch (const Error &) { // NOLINT(bugprone-empty-catch)
        // Of another version, or incomplete: the controller has said so and left it alone.
    }
    return exit_ok;
}

int control(const Options &options, Env &env) {
    if (options.check) return check(options, env);
    Controller::Options with = configuration(options);
    Service manager;
    with.log = [&](const std::string &line) {
        env.out << line << std::endl;
        manager.says(line);
    };
    std::optional<PairServices> pairs;
    with.on_flip = [&env, &pairs, journalled = under_journal()](const Flip &flip) {
        if (journalled)
            journal(flip);
        else
            env.out << flip_line(flip) << std::endl;
        if (pairs) pairs->flipped(flip);
    };
    Signals signals({SIGHUP});
    auto log = with.log;
    Controller controller(std::move(with));
    if (options.once) return run_once(controller, signals);
    pairs.emplace(options.services, log);
    Services &services = pairs->services();
    services.watch(controller.fd());
    manager.ready();
    // The watchdog is answered from here only: it asks whether this loop goes round.
    while (true) {
        if (signals.wait_or(services.fd(), manager.pulse())) {
            if (signals.take() != SIGHUP) break;
            reload(options, controller, env);
        }
        controller.process();
        services.process();
        if (manager.pulse()) manager.alive();
    }
    manager.stopping();
    return exit_ok; // the datapath stays in force
}

} // namespace

Run setup_run(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("--config", options->config,
                   "TOML file, read again at SIGHUP, with the files in FILE.d; default "
                   "/etc/hitless/hitless.toml. Without any, every paravirtual NIC is paired with "
                   "the PCI NIC of the same MAC")
        ->type_name("FILE");
    app.add_flag("--once", options->once, "make and adopt pairs, prove their paths, then end");
    app.add_flag("--check", options->check,
                 "read the configuration, say what is wrong or matches nothing, change nothing");
    Services::add_options(app, options->services);
    return [options](Env &env) { return control(*options, env); };
}

} // namespace hitless::cli
