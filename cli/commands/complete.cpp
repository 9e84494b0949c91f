// SPDX-License-Identifier: BSD-2-Clause
//
// Completion: the shells' scripts (packaging/completions) hand over the words typed so far, and get
// one candidate a line, with its help behind a tab. A line ":files" asks the shell for file names.
#include "cli/command.hpp"
#include "cli/output/describe.hpp"
#include "cli/output/json.hpp"
#include "loader/api.hpp"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

namespace hitless::cli {
namespace {

struct Candidate {
    std::string text, help;
};
using Candidates = std::vector<Candidate>;

Candidates entries(const char *directory) {
    Candidates out;
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(directory, ignored))
        if (entry.path().filename() != "lo") out.push_back({entry.path().filename(), ""});
    std::ranges::sort(out, {}, &Candidate::text);
    return out;
}

Candidates interfaces() {
    return entries("/sys/class/net");
}

/// Pairs, where one may look; else any interface.
Candidates standbys() {
    Candidates out;
    try {
        for (const PairStatus &pair : status())
            out.push_back({pair.name, pair.primary_active ? "primary active" : "standby active"});
    } catch (const Error &) {
        // The reason is told by the command itself, not while it is typed.
    }
    return out.empty() ? interfaces() : out;
}

Candidates selectors() {
    Candidates out = interfaces();
    out.insert(out.begin(), {{"auto", "same MAC, on PCI"}, {"mac", "same MAC, any bus"}});
    return out;
}

Candidates values(const OptionText &option, const CommandText &command) {
    if (!option.choices.empty()) {
        Candidates out;
        for (const std::string &choice : option.choices)
            out.push_back({choice, ""});
        return out;
    }
    if (option.value == "FILE" || option.value == "DIR") return {{":files", ""}};
    if (option.value == "NAME") return entries("/run/netns");
    if (option.value == "WHICH") return selectors();
    if (option.value == "STANDBY") return command.name == "attach" ? interfaces() : standbys();
    return {};
}

const OptionText *find_option(const CommandText &command, const std::string &name) {
    auto at = std::ranges::find_if(command.options, [&](const OptionText &option) {
        return !option.positional && std::ranges::count(option.names, name);
    });
    return at == command.options.end() ? nullptr : &*at;
}

void add_options(const CommandText &command, Candidates &out) {
    for (const OptionText &option : command.options)
        if (!option.positional && !std::ranges::count(out, option.names.back(), &Candidate::text))
            out.push_back({option.names.back(), option.help});
}

/// Where the last of the words stands, and what may stand there.
class Cursor {
  public:
    explicit Cursor(const CommandText &root) : root_(root), command_(&root) {}

    void pass(const std::string &word) {
        if (waiting_) {
            waiting_ = nullptr;
        } else if (word.starts_with("-")) {
            const OptionText *option = find_option(*command_, word);
            if (!option) option = find_option(root_, word);
            waiting_ = option && !option->value.empty() ? option : nullptr;
        } else if (const CommandText *sub = subcommand(word)) {
            command_ = sub;
        } else {
            positionals_++;
        }
    }

    Candidates candidates(const std::string &word) const {
        if (waiting_) return values(*waiting_, *command_);
        Candidates out;
        if (word.starts_with("-")) {
            add_options(*command_, out);
            add_options(root_, out);
            return out;
        }
        for (const CommandText &sub : command_->subcommands)
            out.push_back({sub.name, sub.help});
        size_t place = 0;
        for (const OptionText &option : command_->options)
            if (option.positional && place++ == positionals_) return values(option, *command_);
        return out;
    }

  private:
    const CommandText *subcommand(const std::string &word) const {
        auto at = std::ranges::find(command_->subcommands, word, &CommandText::name);
        return at == command_->subcommands.end() ? nullptr : &*at;
    }

    const CommandText &root_;
    const CommandText *command_;
    const OptionText *waiting_ = nullptr; ///< an option whose value comes next
    size_t positionals_ = 0;
};

/// The reasons against a primary, for the man pages and the test of the documentation.
nlohmann::ordered_json vetoes() {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (size_t bit = 0; const VetoReason &reason : veto_reasons)
        out.push_back({{"bit", bit++},
                       {"name", reason.name},
                       {"kind", veto_kind_names[reason.kind]},
                       {"writer", reason.writer},
                       {"overruled", reason.overruled},
                       {"meaning", reason.meaning}});
    return out;
}

void complete(const CommandText &root, std::vector<std::string> words, Env &env) {
    // bash makes three words of --option=value.
    std::string last = words.empty() || words.back() == "=" ? "" : words.back();
    if (!words.empty()) words.pop_back();
    std::erase(words, "=");
    Cursor cursor(root);
    for (const std::string &word : words)
        cursor.pass(word);
    for (const Candidate &candidate : cursor.candidates(last)) {
        if (!candidate.text.starts_with(last) && candidate.text != ":files") continue;
        env.out << candidate.text;
        if (!candidate.help.empty()) env.out << '\t' << candidate.help;
        env.out << '\n';
    }
}

} // namespace

Run setup_complete(CLI::App &app) {
    struct Options {
        bool tree = false;
        std::vector<std::string> words;
    };
    auto options = std::make_shared<Options>();
    app.group(""); // for scripts, not for people
    app.add_flag("--tree", options->tree, "the whole command line as JSON");
    app.add_option("words", options->words, "the words after `hitless`, behind a --");
    return [options, &app](Env &env) {
        CommandText root = describe(*app.get_parent());
        if (options->tree) {
            nlohmann::ordered_json tree = to_json(root);
            tree["vetoes"] = vetoes();
            env.out << to_text(tree) << '\n';
        } else {
            complete(root, options->words, env);
        }
        return exit_ok;
    };
}

} // namespace hitless::cli
