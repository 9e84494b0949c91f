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

/// Files that are left out are named; others are served.
HostConfig configuration(const Options &options, const std::vector<GuestSpec> &former, Env &env) {
    HostConfig out =
        read_host_config_but_for_mistakes(options.file(), !options.config.empty(), former);
    for (const std::string &problem : out.problems)
        env.err << fmt::format("hitless: {}; this file is left out{}", problem,
                               former.empty() ? "" : ", and its guests stay as they were")
                << std::endl;
    return out;
}

/// What is wrong leaves the last good configuration in force.
void reload(const Options &options, Host &host, std::vector<std::string> &problems, Env &env) {
    try {
        std::vector<GuestSpec> former;
        for (GuestStatus &guest : host.status())
            former.push_back(std::move(guest.spec));
        HostConfig config = configuration(options, former, env);
        host.reconfigure(std::move(config.guests));
        problems = std::move(config.problems);
        env.out << "configuration: read again" << std::endl;
    } catch (const Error &error) {
        env.err << "hitless: " << error.what() << "; the last good configuration stays in force"
                << std::endl;
    }
}

int keep(const Options &options, Env &env) {
    HostConfig config = configuration(options, {}, env);
    Host::Options with{std::move(config.guests)};
    Service manager;
    std::unique_ptr<Host> host;
    HostVarlink varlink({[&] { return host->status(); },
                         [&](const std::string &guest, bool give) { host->request(guest, give); },
                         [&] { return config.problems; }});
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
            reload(options, *host, config.problems, env);
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
