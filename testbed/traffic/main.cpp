// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic: the test bed's traffic from the command line, for scripts and for guests.
#include "testbed/traffic/commands.hpp"

#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <sysexits.h>

using namespace hitless::testbed::traffic;

int main(int argc, char **argv) {
    CLI::App app{"Numbered traffic, and what became of it.", "hl-traffic"};
    app.require_subcommand(1);
    for (const auto add : {add_flow, add_bulk, add_pingpong, add_inject, add_capture})
        add(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? EX_OK : EX_USAGE;
    } catch (const std::exception &error) {
        fmt::print(stderr, "hl-traffic: {}\n", error.what());
        return 1;
    }
}
