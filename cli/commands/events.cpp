// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/flip_line.hpp"
#include "cli/output/json.hpp"
#include "cli/signals.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

namespace hitless::cli {
namespace {

// The log is mapped memory: a look costs less than the wake-up it would save.
constexpr std::chrono::milliseconds look_interval{100};

void print(const std::vector<Flip> &flips, bool json, Env &env) {
    for (const Flip &flip : flips)
        env.out << (json ? to_text(to_json(flip)) : flip_line(flip)) << '\n';
    env.out.flush();
}

/// Each pair that has no log to read is named once.
class Named {
  public:
    void say(const std::vector<UnreadablePair> &pairs, Env &env) {
        for (const UnreadablePair &pair : pairs)
            if (said_.insert(pair.why.what()).second)
                env.err << "hitless: " << pair.why.what() << std::endl;
    }

  private:
    std::set<std::string> said_;
};

int follow(FlipReader &reader, Named &named, bool json, Env &env) {
    Signals signals;
    while (!signals.wait(look_interval)) {
        reader.rescan();
        named.say(reader.unreadable(), env);
        print(reader.read(), json, env);
    }
    return exit_ok;
}

} // namespace

Run setup_events(CLI::App &app) {
    struct Options {
        bool json = false, follow = false;
    };
    auto options = std::make_shared<Options>();
    app.add_flag("-f,--follow", options->follow, "go on until interrupted");
    app.add_flag("-j,--json", options->json, "one JSON object a line");
    return [options](Env &env) -> int {
        FlipReader reader;
        Named named;
        print(reader.read(), options->json, env);
        named.say(reader.unreadable(), env);
        if (options->follow) return follow(reader, named, options->json, env);
        return reader.unreadable().empty() ? exit_ok : exit_failed;
    };
}

} // namespace hitless::cli
