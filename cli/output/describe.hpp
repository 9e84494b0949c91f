// SPDX-License-Identifier: BSD-2-Clause
//
// The command line as data, read off the parser itself: what completion offers and what the man
// pages list is what the parser takes, and nothing is written twice.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hitless::cli {

struct OptionText {
    std::vector<std::string> names;   ///< "-j", "--json"; of a positional its one name
    std::string value;                ///< what stands for the value, "FILE"; empty: a flag
    std::vector<std::string> choices; ///< the only values; empty: any
    std::string standard;             ///< the value when none is given; may be empty
    std::string help;
    bool positional = false;
    bool required = false;
};

struct CommandText {
    std::string name, help;
    std::vector<OptionText> options; ///< positionals in their order among them
    std::vector<CommandText> subcommands;
};

/// Hidden commands and options (group "") are left out.
CommandText describe(const CLI::App &);

nlohmann::ordered_json to_json(const CommandText &);

} // namespace hitless::cli
