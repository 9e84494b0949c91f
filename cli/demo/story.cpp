// SPDX-License-Identifier: BSD-2-Clause
#include "cli/demo/story.hpp"
#include "cli/demo/stage.hpp"
#include "cli/demo/witness.hpp"
#include "loader/core/error.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fmt/format.h>
#include <sys/wait.h>

namespace hitless::cli::demo {
namespace {

using namespace std::chrono_literals;

std::string proved(bool happened, std::string what) {
    if (happened) return what;
    throw Error(EPROTO, "make the event happen", "seen instead: " + what, "");
}

/// In the guest's namespace, where it is plugged in, or the pair's own.
Seen primary(Stage &stage) {
    const Seen plugged = look(stage.bed().guest(), "primary");
    return plugged.present ? plugged : look(stage.home(), "primary");
}

std::string saw_primary(Stage &stage, const Seen &wanted) {
    const Seen seen = primary(stage);
    const bool same =
        seen.present == wanted.present && seen.up == wanted.up && seen.carrier == wanted.carrier;
    return proved(same, "primary " + seen.text());
}

constexpr Seen gone{};
constexpr Seen shut{.present = true, .up = false, .carrier = false};
constexpr Seen unplugged{.present = true, .up = true, .carrier = false};

/// The controller brings it up; that is awaited with the path.
std::string came(Stage &stage) {
    const Seen seen = primary(stage);
    return proved(seen.present,
                  "primary there, " + std::string(seen.up ? "up" : "down") + " as plugged in");
}

std::string nothing(Stage &stage) {
    stage.pause(300ms);
    return "nothing was done: the noise of this machine";
}
void leave(Stage &) {}

std::string attach(Stage &stage) {
    stage.attach();
    stage.start_controller();
    return proved(stage.pair().has_value(), "status shows the pair; the controller runs");
}
std::string detach(Stage &stage) {
    stage.detach();
    return proved(!stage.pair(), "status shows no pair; primary " + primary(stage).text());
}
void unattach(Stage &stage) {
    stage.stop_controller();
    detach(stage);
}
void reattach(Stage &stage) {
    stage.stop_controller();
    attach(stage);
}

std::string plug_in(Stage &stage) {
    stage.bed().primary().add();
    return came(stage);
}
std::string remove(Stage &stage) {
    stage.bed().primary().remove();
    return saw_primary(stage, gone);
}

std::string admin_down(Stage &stage) {
    stage.bed().primary().admin(false);
    const Seen seen = primary(stage);
    return proved(seen.present && !seen.up, "primary " + seen.text());
}
std::string admin_up(Stage &stage) {
    stage.bed().primary().admin(true);
    const Seen seen = primary(stage);
    return proved(seen.up, "primary " + seen.text());
}

std::string carrier_off(Stage &stage) {
    stage.bed().primary().carrier(false);
    return saw_primary(stage, unplugged);
}
std::string carrier_on(Stage &stage) {
    stage.bed().primary().carrier(true);
    return saw_primary(stage, {.present = true, .up = true, .carrier = true});
}

std::string storm(Stage &stage) {
    const std::uint64_t start = testbed::now_ns();
    carrier_off(stage);
    stage.pause(20ms);
    carrier_on(stage);
    stage.pause(20ms);
    carrier_off(stage);
    const std::uint64_t ms = (testbed::now_ns() - start) / 1'000'000;
    return fmt::format("carrier 0, 1, 0 within {} ms", ms);
}

/// As `hitless switch` does it: a look-up of the pins, then one atomic store into mapped memory.
std::string switch_often(Stage &stage) {
    constexpr std::uint64_t tick = 2'500'000;
    const unsigned flips = stage.spec().flips;
    const std::uint64_t before = stage.pair()->flips;
    std::uint64_t at = testbed::now_ns();
    for (unsigned done = 0; done < flips; ++done) {
        stage.switch_to(done % 2 == 0 ? Target::standby : Target::automatic);
        if (stage.progress) stage.progress(done + 1, flips);
        stage.pause(0ms);
        testbed::pace(at += tick);
    }
    const std::uint64_t made = stage.pair()->flips - before;
    return proved(made == flips, fmt::format("{} flips in the pair's log", made));
}

std::string kill_controller(Stage &stage) {
    const int how = stage.kill_controller();
    const bool dead = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL && !stage.controller_lives();
    return proved(dead, "the controller ended by signal 9; its lock is free");
}
std::string carrier_off_unseen(Stage &stage) {
    return proved(!stage.controller_lives(), carrier_off(stage) + "; nobody holds the lock");
}
std::string restart_controller(Stage &stage) {
    const std::string seen = carrier_on(stage);
    const Path alone = stage.path();
    stage.start_controller();
    return proved(alone == Path::standby, seen + ", distrusted until the controller ran");
}

std::string move_away(Stage &stage) {
    stage.bed().primary().move_to(stage.bed().elsewhere());
    const Seen there = look(stage.bed().elsewhere(), "primary");
    return proved(there.present && !primary(stage).present,
                  "primary absent here, present in " + stage.bed().elsewhere().name());
}
std::string move_back(Stage &stage) {
    stage.bed().primary().move_to(stage.bed().guest());
    return came(stage);
}

template <std::string (*action)(Stage &)>
void plain(Stage &stage) {
    action(stage);
}
void recover_unseen(Stage &stage) {
    restart_controller(stage);
    stage.wait_for(Path::primary);
    kill_controller(stage);
}
void lose_unseen(Stage &stage) {
    kill_controller(stage);
    carrier_off(stage);
}

constexpr Event events[] = {
    {control_event, Path::none, Toll::none, nothing, leave},
    {"attach", Path::standby, Toll::move, attach, unattach},
    {"hot-add", Path::primary, Toll::none, plug_in, plain<remove>},
    {planned_event, Path::primary, Toll::none, switch_often, leave},
    {"admin down", Path::standby, Toll::fault, admin_down, plain<admin_up>},
    {"admin up", Path::primary, Toll::none, admin_up, plain<admin_down>},
    {"carrier loss", Path::standby, Toll::fault, carrier_off, plain<carrier_on>},
    {"carrier return", Path::primary, Toll::none, carrier_on, plain<carrier_off>},
    {"carrier storm", Path::standby, Toll::fault, storm, plain<carrier_on>},
    {"end of the storm", Path::primary, Toll::none, carrier_on, plain<carrier_off>},
    {"deletion", Path::standby, Toll::removal, remove, plain<plug_in>},
    {"return", Path::primary, Toll::none, plug_in, plain<remove>},
    {"controller killed", Path::primary, Toll::none, kill_controller,
     [](Stage &stage) { stage.start_controller(); }},
    {"loss, no controller", Path::standby, Toll::fault, carrier_off_unseen, recover_unseen},
    {"controller restarted", Path::primary, Toll::none, restart_controller, lose_unseen},
    {"to another netns", Path::standby, Toll::fault, move_away, plain<move_back>},
    {"back from there", Path::primary, Toll::none, move_back, plain<move_away>},
    {"detach", Path::none, Toll::move, detach, reattach},
};

} // namespace

std::span<const Event> story() {
    return events;
}

} // namespace hitless::cli::demo
