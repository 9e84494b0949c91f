// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/describe.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace hitless::cli {
namespace {

/// The parser keeps the choices in the type's name only: "TEXT:{a,b}".
std::vector<std::string> choices_in(const std::string &type) {
    size_t from = type.find(":{"), to = type.rfind('}');
    if (from == std::string::npos || to == std::string::npos) {
        std::string words = type.substr(0, type.find(':')); // "veth|tap"
        return words.find('|') == words.npos ? std::vector<std::string>{}
                                             : CLI::detail::split(words, '|');
    }
    return CLI::detail::split(type.substr(from + 2, to - from - 2), ',');
}

/// The type's name without the checks that the parser appends: "FILE", "MS".
std::string placeholder(const std::string &type) {
    return type.substr(0, type.find(':'));
}

OptionText describe(const CLI::Option &option) {
    OptionText out;
    std::string type = option.get_type_name();
    out.positional = option.get_positional();
    if (out.positional) out.names.push_back(option.get_name(true));
    for (const std::string &name : option.get_snames())
        out.names.push_back("-" + name);
    for (const std::string &name : option.get_lnames())
        out.names.push_back("--" + name);
    if (option.get_items_expected_max() > 0) out.value = placeholder(type);
    out.choices = choices_in(type);
    out.standard = option.get_default_str();
    out.help = option.get_description();
    out.required = option.get_required();
    return out;
}

} // namespace

CommandText describe(const CLI::App &app) {
    CommandText out{app.get_name(), app.get_description(), {}, {}};
    for (const CLI::Option *option : app.get_options())
        if (!option->get_group().empty()) out.options.push_back(describe(*option));
    for (const CLI::App *sub : app.get_subcommands({}))
        if (!sub->get_group().empty()) out.subcommands.push_back(describe(*sub));
    return out;
}

nlohmann::ordered_json to_json(const CommandText &command) {
    auto options = nlohmann::ordered_json::array(), subcommands = options;
    for (const OptionText &option : command.options)
        options.push_back({{"names", option.names},
                           {"value", option.value},
                           {"choices", option.choices},
                           {"default", option.standard},
                           {"help", option.help},
                           {"positional", option.positional},
                           {"required", option.required}});
    for (const CommandText &sub : command.subcommands)
        subcommands.push_back(to_json(sub));
    return {{"name", command.name},
            {"help", command.help},
            {"options", options},
            {"subcommands", subcommands}};
}

} // namespace hitless::cli
