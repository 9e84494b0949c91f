// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/host.hpp"
#include "cli/commands/host_commands.hpp"
#include "cli/output/host_text.hpp"
#include "cli/output/json.hpp"
#include "cli/serve/client.hpp"
#include "cli/signals.hpp"
#include "loader/api.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <ostream>
#include <unistd.h>

namespace hitless::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds ask_interval{5}; // while a give or a take is waited for

struct Command {
    const char *name, *help;
    Setup setup;
};
constexpr Command commands[] = {
    {"run", "keep the guests of this hypervisor: the daemon", setup_host_run},
    {"give", "give a guest its primary; exit 0 it has it, 2 on the way", setup_host_give},
    {"take", "take a guest's primary; exit 0 it has left, 2 on the way", setup_host_take},
    {"status", "show guests; exit 0 as requested, 2 on the way or degraded, 3 no guests",
     setup_host_status},
    {"events", "show what became of gives and takes", setup_host_events},
    {"check", "say what is in the way on this hypervisor, and what mends it", setup_host_check},
};

/// Not to be allowed to look is not to find nothing.
bool is_there(const std::string &path) {
    if (access(path.c_str(), F_OK) == 0) return true;
    if (errno == EACCES) throw Error(EACCES, fmt::format("look for {}", path));
    return false;
}

/// The daemon of this network namespace, whose name has its number where two share a directory.
Client daemon() {
    const std::string path = fmt::format("{}/{}", state_directory(), host_socket),
                      numbered = fmt::format("{}-{}", path, netns_cookie());
    try {
        if (is_there(numbered)) return Client(numbered);
        if (host_runs_here()) return Client(path);
    } catch (const Error &error) {
        if (error.code() == EACCES)
            throw Error(EACCES, "ask the host's daemon",
                        "run as root, or have it run with --socket-group of yours");
        if (error.code() != ENOENT && error.code() != ECONNREFUSED) throw;
    }
    throw Error(ENOENT, "ask the host's daemon", "none runs in this network namespace",
                "`systemctl start hitless-host`, or `hitless host run`");
}

Json ask(Client &client, const char *method, const Json &parameters) {
    Json reply = client.call(std::string("io.hitless.Host.") + method, parameters);
    if (!reply.contains("error")) return reply.at("parameters");
    std::string error = reply.at("error");
    if (error.ends_with(".NoSuchGuest"))
        throw Error(ENOENT,
                    fmt::format("find the guest {}", parameters.at("guest").get<std::string>()),
                    "the configuration names no such guest", "`hitless host status` lists them");
    if (error.ends_with(".PermissionDenied"))
        throw Error(EPERM, "give and take primaries", "run as root");
    const Json &more = reply.at("parameters");
    if (more.contains("message"))
        throw Error(EIO, "ask the host's daemon", more.at("message").get<std::string>(), "");
    throw Error(EBUSY, "ask the host's daemon", "it was asked too often", "ask again in a second");
}

int state_of(const Json &guests, const Json &problems) {
    if (!problems.empty()) return exit_degraded;
    if (guests.empty()) return exit_nothing;
    for (const Json &guest : guests)
        if (!guest.at("as_requested").get<bool>()) return exit_degraded;
    return exit_ok;
}

/// The daemon, which may be restarted while something is waited for: what was requested is kept.
class RestartedDaemon {
  public:
    RestartedDaemon() : client_(daemon()) {}

    /// Nothing: it is not there just now.
    std::optional<Json> ask_if_there(const char *method, const Json &parameters) {
        try {
            if (!client_) client_ = daemon();
        } catch (const Error &error) {
            if (error.code() != ENOENT) throw;
            return std::nullopt;
        }
        try {
            return ask(*client_, method, parameters);
        } catch (const Error &error) {
            if (error.code() != ECONNRESET && error.code() != EPIPE) throw;
            client_.reset();
            return std::nullopt;
        }
    }

  private:
    std::optional<Client> client_;
};

struct Request {
    std::string guest;
    bool wait = false;
    double timeout_s = 15;
};

/// True when waiting any longer changes nothing.
bool is_over(const Json &guest, bool give) {
    return !give && guest.at("overdue").get<bool>() && guest.at("phase") == "taken";
}

/// The exit code when there is nothing to wait for any more; says why where it is not 0.
std::optional<int> outcome(const Json &guest, bool give, Env &env) {
    if (guest.at("want") == (give ? "primary" : "standby"))
        return guest.at("as_requested").get<bool>() ? std::optional(exit_ok) : std::nullopt;
    const Json &device = guest.at("device");
    if (!give && !device.is_null() && device.at("kept").get<bool>())
        env.err << guest_text(guest);
    else
        env.err << fmt::format("{}: somebody has {} its primary since\n",
                               guest.at("name").get<std::string>(), give ? "taken" : "given");
    return exit_degraded;
}

/// Says why not, when it is not there in time.
int carry_out(const Request &request, bool give, Env &env) {
    RestartedDaemon daemon;
    const Json about{{"guest", request.guest}};
    const Instant deadline =
        now() + std::chrono::duration_cast<Instant>(
                    std::chrono::duration<double>(request.wait ? request.timeout_s : 0));
    bool told = false;
    while (true) {
        // Answered, it is kept; told twice, it is the same request.
        told = told || daemon.ask_if_there(give ? "Give" : "Take", about);
        std::optional<Json> reply;
        if (told) reply = daemon.ask_if_there("Status", about);
        const Json guest = reply ? reply->at("guests").at(0) : Json();
        if (reply)
            if (std::optional<int> code = outcome(guest, give, env)) return *code;
        if (now() < deadline && !(reply && is_over(guest, give))) {
            sleep_until(now() + ask_interval);
            continue;
        }
        if (!told)
            throw Error(ECONNRESET, "ask the host's daemon", "it has ended, and none came after it",
                        "`systemctl start hitless-host`, or `hitless host run`; then once more");
        if (request.wait && reply) {
            env.err << fmt::format("hitless: {} {}: not there after {} s\n", give ? "give" : "take",
                                   request.guest, request.timeout_s)
                    << guest_text(guest);
        } else if (reply) {
            env.out << fmt::format("{}: on the way; it waits for {}; `hitless host {} {} --wait` "
                                   "returns when it is there\n",
                                   request.guest, awaited(guest), give ? "give" : "take",
                                   request.guest);
        }
        return exit_degraded;
    }
}

Run setup_request(CLI::App &app, bool give) {
    auto request = std::make_shared<Request>();
    app.add_option("guest", request->guest, "as the configuration names it")
        ->required()
        ->type_name("GUEST");
    auto *wait = app.add_flag(
        "--wait", request->wait,
        give ? "return when the guest receives by its primary"
             : "return when the guest has left and released it, or the deadline was over");
    app.add_option("--timeout", request->timeout_s, "seconds to wait")
        ->needs(wait)
        ->check(CLI::Range(0.0, 86400.0))
        ->capture_default_str()
        ->type_name("S");
    return [request, give](Env &env) { return carry_out(*request, give, env); };
}

int show(const std::string &guest, bool json, Env &env) {
    Client client = daemon();
    Json reply = ask(client, "Status", guest.empty() ? Json::object() : Json{{"guest", guest}});
    const Json &guests = reply.at("guests");
    if (json) {
        env.out << to_text(reply) << '\n';
    } else if (!guest.empty()) {
        env.out << guest_text(guests.at(0));
    } else {
        env.out << (guests.empty() ? "no guests\n" : guests_table(guests));
        for (const Json &one : guests)
            for (const Json &problem : one.at("problems"))
                env.out << fmt::format("{}: problem: {}\n", one.at("name").get<std::string>(),
                                       problem.get<std::string>());
        for (const Json &problem : reply.at("problems"))
            env.out << fmt::format("problem: {}; this file is left out\n",
                                   problem.get<std::string>());
    }
    return state_of(guests, guest.empty() ? reply.at("problems") : Json::array());
}

void print_events(const Json &reply, bool json, Env &env) {
    for (const Json &event : reply.at("parameters").at("events"))
        env.out << (json ? to_text(event) : host_event_line(event)) << '\n';
    env.out.flush();
}

int events(bool json, bool follow, Env &env) {
    Client client = daemon();
    if (!follow) {
        const Json reply{{"parameters", ask(client, "Events", Json::object())}};
        print_events(reply, json, env);
        if (!json && reply.at("parameters").at("events").empty())
            env.out << "none since the daemon was started; its log has those before\n";
        return exit_ok;
    }
    Signals signals;
    client.send("io.hitless.Host.Events", Json::object(), true);
    while (!signals.wait_or(client.fd()))
        while (std::optional<Json> reply = client.receive(false))
            print_events(*reply, json, env);
    return exit_ok;
}

} // namespace

std::optional<Json> host_daemon_status() {
    try {
        Client client = daemon();
        return ask(client, "Status", Json::object());
    } catch (const Error &error) {
        if (error.code() != ENOENT) throw;
        return std::nullopt;
    }
}

Run setup_host_give(CLI::App &app) {
    return setup_request(app, true);
}

Run setup_host_take(CLI::App &app) {
    return setup_request(app, false);
}

Run setup_host_status(CLI::App &app) {
    struct Options {
        std::string guest;
        bool json = false;
    };
    auto options = std::make_shared<Options>();
    app.add_option("guest", options->guest, "only this one, in full")->type_name("GUEST");
    app.add_flag("-j,--json", options->json, "as JSON");
    return [options](Env &env) { return show(options->guest, options->json, env); };
}

Run setup_host_events(CLI::App &app) {
    struct Options {
        bool json = false, follow = false;
    };
    auto options = std::make_shared<Options>();
    app.add_flag("-f,--follow", options->follow, "go on until interrupted");
    app.add_flag("-j,--json", options->json, "one JSON object a line");
    return [options](Env &env) { return events(options->json, options->follow, env); };
}

Run setup_host(CLI::App &app) {
    auto chosen = std::make_shared<Run>();
    app.require_subcommand(1);
    for (const Command &command : commands) {
        CLI::App *sub = app.add_subcommand(command.name, command.help);
        sub->parse_complete_callback([chosen, action = command.setup(*sub)] { *chosen = action; });
    }
    return [chosen](Env &env) { return (*chosen)(env); };
}

} // namespace hitless::cli
