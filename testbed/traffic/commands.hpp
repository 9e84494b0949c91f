// SPDX-License-Identifier: BSD-2-Clause
//
// What hl-traffic's subcommands share: each has one file, which adds itself to the CLI, and those
// that stay are spoken to over stdin, one command a line, one JSON line in answer.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hitless::testbed::traffic {

/// Each adds one subcommand, whose callback does the work and throws Error.
void add_flow(CLI::App &app);
void add_bulk(CLI::App &app);
void add_pingpong(CLI::App &app);
void add_inject(CLI::App &app);
void add_capture(CLI::App &app);

using Words = std::vector<std::string>; // the command itself first
/// Answers one command with a JSON object.
using Answer = std::function<std::string(const Words &)>;

/// Serves stdin until `quit` or its end. A command that throws is answered {"error": "..."}.
void converse(const std::map<std::string, Answer> &commands);

/// One line on stdout, flushed.
void say(std::string_view line);

/// The unsigned number in words[index]. Throws Error(EINVAL).
std::uint64_t number(const Words &words, std::size_t index);

} // namespace hitless::testbed::traffic
