// SPDX-License-Identifier: BSD-2-Clause
#include "cli/commands/host_commands.hpp"
#include "cli/config/host_config.hpp"
#include "cli/observe/host_metrics.hpp"
#include "cli/output/host_json.hpp"
#include "cli/output/host_text.hpp"
#include "cli/serve/host_varlink.hpp"
#include "cli/serve/service_manager.hpp"
#include "cli/serve/services.hpp"
#include "cli/signals.hpp"
#include "loader/host/host.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    std::string config;
    Services::Options services;
    std::string file() const { return config.empty() ? default_host_config : config; }
};

std::vector<GuestSpec> configuration(const Options &options) {
    return read_host_config(options.file(), !options.config.empty());
}

/// What is wrong leaves the last good configuration in force.
void reload(const Options &options, Host &host, Env &env) {
    try {
        host.reconfigure(configuration(options));
        env.out << "configuration: read again" << std::endl;
    } catch (const Error &error) {
        env.err << "hitless: " << error.what() << "; the last good configuration stays in force"
                << std::endl;
    }
}

int keep(const Options &options, Env &env) {
    Host::Options with{configuration(options)};
    Service manager;
    std::unique_ptr<Host> host;
    HostVarlink varlink({[&] { return host->status(); },
                         [&](const std::string &guest, bool give) { host->wish(guest, give); }});
    HostCounts counts;
    std::optional<Services> services;
    with.log = [&](const std::string &line) {
        env.out << line << std::endl;
        manager.says(line);
    };
    with.on_event = [&](const HostEvent &event) {
        env.out << host_event_line(to_json(event)) << std::endl;
        counts[event.guest][event.kind]++;
        std::string news = varlink.add(event);
        if (services) services->publish(news);
    };
    Signals signals({SIGHUP});
    auto log = with.log;
    host = std::make_unique<Host>(std::move(with));
    services.emplace(options.services,
                     Services::Offer{varlink,
                                     [&] { return host_metrics_text(host->status(), counts); },
                                     host_socket},
                     log);
    services->watch(host->fd());
    const size_t guests = host->status().size();
    env.out << (guests ? fmt::format("keeping the guests: {}", guests)
                       : fmt::format("no guests are described in {} and {}.d", options.file(),
                                     options.file()))
            << std::endl;
    manager.ready();
    // The watchdog is answered from here only: it asks whether this loop goes round.
    while (true) {
        if (signals.wait_or(services->fd(), manager.pulse())) {
            if (signals.take() != SIGHUP) break;
            reload(options, *host, env);
        }
        host->process();
        services->process();
        if (manager.pulse()) manager.alive();
    }
    manager.stopping();
    return exit_ok; // where frames go stays as it is
}

} // namespace

Run setup_host_run(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("--config", options->config,
                   "TOML file, read again at SIGHUP, with the files in FILE.d; default "
                   "/etc/hitless/host.toml")
        ->type_name("FILE");
    Services::add_options(app, options->services);
    return [options](Env &env) { return keep(*options, env); };
}

} // namespace hitless::cli
