// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/plain_text.hpp"
#include "loader/api.hpp"
#include "loader/host/host.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "maps/hitless_abi.h"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

namespace hitless::cli {
namespace {

struct Command {
    const char *name, *help;
    Setup setup;
};

constexpr Command commands[] = {
    {"run", "keep pairs: the controller", setup_run},
    {"attach", "make a pair of a standby and its primary", setup_attach},
    {"detach", "end a pair and give every setting back", setup_detach},
    {"convert", "change the model of a pair", setup_convert},
    {"upgrade", "take over what an older version has made, without losing a frame", setup_upgrade},
    {"status", "show pairs; exit 0 healthy, 2 degraded, 3 nothing attached", setup_status},
    {"explain", "say in words why this path, since when and what would change it", setup_explain},
    {"switch", "choose the path of a pair", setup_switch},
    {"events", "show flips: when, why, by whom", setup_events},
    {"watch", "show pairs as they live, on a terminal", setup_watch},
    {"metrics", "print what Prometheus reads", setup_metrics},
    {"doctor", "say what this machine can do and what is in the way", setup_doctor},
    {"host", "on a hypervisor: give guests their primaries and take them", setup_host},
    {"demo", "prove it: namespaces, traffic, every kind of failure, a table", setup_demo},
    {"bugreport", "collect what a bug report needs in one archive", setup_bugreport},
    {"complete", "candidates for the shells' completion", setup_complete},
};

Exit exit_code_of(const Error &error) {
    if (dynamic_cast<const AlreadyRunning *>(&error) || dynamic_cast<const AnotherHost *>(&error))
        return exit_busy;
    return exit_code(error.code());
}

int run(int argc, char **argv, Env &env) {
    CLI::App app{"Failover for guest NICs without losing a frame.", "hitless"};
    app.set_version_flag("--version", "hitless " + version());
    app.require_subcommand(1);
    app.fallthrough();
    std::string netns;
    app.add_option("-n,--netns", netns, "work in this network namespace, as `ip -n`")
        ->type_name("NAME");
    Run chosen;
    for (const Command &command : commands) {
        CLI::App *sub = app.add_subcommand(command.name, command.help);
        sub->parse_complete_callback([&chosen, action = command.setup(*sub)] { chosen = action; });
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        // "A subcommand is required" helps nobody who misspelt one.
        bool misspelt = error.get_name() == "RequiredError" && !app.remaining().empty();
        int code = misspelt ? app.exit(CLI::ExtrasError(app.remaining()), env.out, env.err)
                            : app.exit(error, env.out, env.err);
        return code == 0 ? exit_ok : exit_usage;
    }
    if (!netns.empty()) enter_netns(netns);
    return chosen(env);
}

} // namespace

Exit exit_code(int error) {
    return error == EPERM || error == EACCES ? exit_permission : exit_failed;
}

std::string version() {
    return fmt::format("{} (ABI {})", HITLESS_VERSION, HL_ABI_VERSION);
}

} // namespace hitless::cli

int main(int argc, char **argv) {
    using namespace hitless::cli;
    PlainText plain_out(*std::cout.rdbuf()), plain_err(*std::cerr.rdbuf());
    std::ostream out(&plain_out), err(&plain_err);
    err << std::unitbuf;
    Env env{out, err, isatty(STDOUT_FILENO) != 0};
    try {
        return run(argc, argv, env);
    } catch (const hitless::Error &error) {
        err << "hitless: " << error.what() << '\n';
        return exit_code_of(error);
    } catch (const std::exception &error) {
        err << "hitless: " << error.what() << '\n';
        return exit_failed;
    }
}
