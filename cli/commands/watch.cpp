// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/output/flip_line.hpp"
#include "cli/signals.hpp"
#include "cli/watch/terminal.hpp"
#include "cli/watch/view.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <poll.h>

namespace hitless::cli {
namespace {

constexpr size_t flips_shown = 100; // more than a screen has lines

Sample look() {
    std::vector<UnreadablePair> unreadable;
    std::vector<PairStatus> pairs = status(&unreadable);
    if (pairs.empty() && !unreadable.empty()) throw unreadable.front().why;
    return {std::move(pairs), controller_pid(), now(), std::move(unreadable)};
}

/// Newest first.
void gather(FlipReader &reader, std::deque<std::string> &flips) {
    reader.rescan();
    for (const Flip &flip : reader.read())
        flips.push_front(flip_line(flip));
    if (flips.size() > flips_shown) flips.resize(flips_shown);
}

/// Where nothing can be redrawn: one look.
int print_once(Env &env) {
    Sample sample = look();
    FlipReader reader;
    std::deque<std::string> flips;
    gather(reader, flips);
    for (const Line &line : view(sample, sample, flips, 200, 1000))
        env.out << line.text << '\n';
    return exit_ok;
}

/// Waits for the next look; false: it is time to go.
bool pause(const Signals &signals, const Terminal &terminal, Instant until) {
    for (;;) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now()).count();
        pollfd entries[] = {{signals.fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        if (poll(entries, terminal.keys() ? 2 : 1, static_cast<int>(std::max(left, 0l))) == 0)
            return true;
        while (int signal = signals.take())
            if (signal != SIGWINCH) return false;
        if (entries[0].revents) return true; // another size
        if (!entries[1].revents) continue;
        std::optional<char> key = Terminal::key();
        if (!key || *key == 'q' || (entries[1].revents & (POLLHUP | POLLERR))) return false;
    }
}

int follow(double interval_s) {
    auto interval = std::chrono::duration_cast<Instant>(std::chrono::duration<double>(interval_s));
    Signals signals({SIGWINCH, SIGHUP});
    FlipReader reader;
    std::deque<std::string> flips;
    Sample before = look(), sample = before;
    Terminal terminal;
    Instant next = sample.time;
    do {
        if (now() >= next) {
            before = std::exchange(sample, look());
            next = sample.time + interval;
        }
        gather(reader, flips);
        auto [columns, rows] = Terminal::size();
        Terminal::draw(view(sample, before, flips, columns, rows));
    } while (pause(signals, terminal, next));
    return exit_ok;
}

bool can_redraw(const Env &env) {
    const char *term = getenv("TERM");
    return env.terminal && term && std::string_view(term) != "dumb";
}

} // namespace

Run setup_watch(CLI::App &app) {
    auto interval = std::make_shared<double>(1);
    app.add_option("--interval", *interval, "seconds between two looks")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str()
        ->type_name("S");
    return [interval](Env &env) { return can_redraw(env) ? follow(*interval) : print_once(env); };
}

} // namespace hitless::cli
