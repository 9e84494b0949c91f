// SPDX-License-Identifier: BSD-2-Clause
//
// A hypervisor that gives its guest the primary and takes it: nobody is told but by the channel.
#include "cli/demo/stage.hpp"
#include "cli/demo/story.hpp"
#include "loader/core/error.hpp"
#include "testbed/process.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hitless::cli::demo {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

constexpr auto patience = 30s; // for what ought to happen at all

std::string word(const Json &of, const char *key) {
    return of.at(key).get<std::string>();
}

/// What the bridge's own tool says; the product's word alone would prove nothing.
std::string entry(Stage &stage) {
    return testbed::spawn({"bridge", "-n", stage.bed().switch_ns().name(), "fdb", "get",
                           testbed::Testbed::mac, "br", "br0"});
}

std::string delivered_to(Stage &stage, const char *port) {
    const bool there = stage.wait_until(
        [&] { return entry(stage).find(fmt::format("dev {} ", port)) != std::string::npos; },
        patience);
    if (!there)
        throw Error(EPROTO, "make the event happen", "the bridge says: " + entry(stage), "");
    return fmt::format("the bridge delivers to {}", port);
}

/// Until the daemon says that it is so.
Json until_requested(Stage &stage) {
    Json guest;
    if (!stage.wait_until([&] { return (guest = stage.guest()).at("as_requested").get<bool>(); },
                          patience))
        throw Error(ETIMEDOUT, "reach what was requested", guest.dump(), "");
    return guest;
}

std::string nothing(Stage &stage) {
    stage.pause(300ms);
    return "nothing was done: the noise of this machine";
}
void leave(Stage &) {}

std::string begin(Stage &stage) {
    stage.attach();
    stage.start_controller();
    stage.start_host();
    const bool heard =
        stage.wait_until([&] { return stage.guest().at("guest").is_object(); }, patience);
    if (!heard) throw Error(ETIMEDOUT, "hear the guest", stage.guest().dump(), "");
    return fmt::format("the host hears the guest: {}, its primary {}",
                       stage.guest()["guest"]["able"].get<bool>() ? "able" : "not able",
                       word(stage.guest()["guest"], "primary"));
}
void unbegin(Stage &stage) {
    stage.kill_host();
    stage.stop_controller();
    stage.detach();
}

std::string plug_in(Stage &stage) {
    stage.bed().primary().add();
    until_requested(stage);
    return delivered_to(stage, stage.bed().primary().port().c_str());
}
void unplug(Stage &stage) {
    stage.bed().primary().remove();
}

std::string take(Stage &stage) {
    stage.request(false);
    const Json guest = until_requested(stage);
    return fmt::format("the guest says {}; {}", word(guest["guest"], "primary"),
                       delivered_to(stage, stage.bed().standby().port().c_str()));
}
std::string give(Stage &stage) {
    stage.request(true);
    const Json guest = until_requested(stage);
    return fmt::format("the guest said ready, {}",
                       delivered_to(stage, stage.bed().primary().port().c_str()));
}
template <std::string (*action)(Stage &)>
void plain(Stage &stage) {
    action(stage);
}

std::string often(Stage &stage) {
    const unsigned moves = stage.spec().flips;
    const std::uint64_t before = stage.pair()->flips;
    for (unsigned done = 0; done < moves; ++done) {
        stage.request(done % 2 != 0);
        until_requested(stage);
        stage.wait_for(done % 2 ? Path::primary : Path::standby);
        if (stage.progress) stage.progress(done + 1, moves);
    }
    return fmt::format("{} flips in the pair's log", stage.pair()->flips - before);
}

/// Nobody in the guest would know what to do with a primary: none is given, however the host asks.
std::string unheard(Stage &stage) {
    take(stage);
    stage.stop_controller();
    stage.kill_host(); // the next daemon knows nothing of the guest
    stage.start_host();
    stage.request(true);
    stage.pause(400ms); // longer than the host waits for anybody
    const Json guest = stage.guest();
    if (!guest.at("guest").is_null() || guest.at("as_requested").get<bool>())
        throw Error(EPROTO, "make the event happen", guest.dump(), "");
    return "nobody is heard; " + delivered_to(stage, stage.bed().standby().port().c_str());
}
std::string heard_again(Stage &stage) {
    stage.start_controller();
    until_requested(stage);
    return delivered_to(stage, stage.bed().primary().port().c_str());
}

/// It still sends by its primary, and receives by both.
std::string overdue(Stage &stage, const char *how) {
    const std::uint64_t start = testbed::now_ns();
    stage.request(false);
    const std::string moved = delivered_to(stage, stage.bed().standby().port().c_str());
    const std::uint64_t ms = (testbed::now_ns() - start) / 1'000'000;
    if (!stage.wait_until([&] { return stage.guest().at("overdue").get<bool>(); }, patience))
        throw Error(EPROTO, "make the event happen", stage.guest().dump(), "");
    return fmt::format("{}; {} after {} ms, without the guest's word", how, moved, ms);
}
std::string stopped(Stage &stage) {
    kill(stage.controller(), SIGSTOP);
    return overdue(stage, "the guest's controller stands still");
}
std::string goes_on(Stage &stage) {
    kill(stage.controller(), SIGCONT);
    until_requested(stage);
    return "the guest has left after all";
}
void undo_stopped(Stage &stage) {
    kill(stage.controller(), SIGCONT);
    give(stage);
}
std::string guest_killed(Stage &stage) {
    stage.kill_controller();
    return overdue(stage, "the guest's controller is dead");
}
std::string guest_returns(Stage &stage) {
    stage.start_controller();
    until_requested(stage);
    return "the next one hears the host, and leaves";
}
void undo_killed(Stage &stage) {
    stage.start_controller();
    give(stage);
}

/// A moment later each time; it dies with what it was doing half done.
std::string daemons_killed(Stage &stage) {
    constexpr unsigned kills = 20;
    for (unsigned i = 0; i < kills; ++i) {
        stage.request(i % 2 != 0);
        testbed::pace(testbed::now_ns() + i / 2 * 400'000);
        stage.kill_host();
        stage.start_host();
        until_requested(stage);
        if (stage.progress) stage.progress(i + 1, kills);
    }
    return fmt::format("{} daemons killed within 4 ms of a request; each next one went on", kills);
}

/// What the product never does: to a primary that is not ready.
std::string wrong_order(Stage &stage) {
    take(stage);
    stage.kill_host();
    stage.bed().primary().admin(false);
    const auto deliver = [&](const std::string &port) {
        testbed::spawn({"bridge", "-n", stage.bed().switch_ns().name(), "fdb", "replace",
                        testbed::Testbed::mac, "dev", port, "master", "static", "sticky"});
    };
    deliver(stage.bed().primary().port());
    stage.pause(100ms);
    deliver(stage.bed().standby().port());
    return "delivered for 100 ms to a primary that is not up";
}
void right_order(Stage &stage) {
    stage.bed().primary().admin(true);
    stage.start_host();
    give(stage);
}

constexpr Event events[] = {
    {control_event, Path::none, Toll::none, nothing, leave},
    {"guest and host start", Path::standby, Toll::move, begin, unbegin},
    {"hot-add, given", Path::primary, Toll::none, plug_in, unplug},
    {"take", Path::standby, Toll::none, take, plain<give>},
    {"give", Path::primary, Toll::none, give, plain<take>},
    {moves_event, Path::primary, Toll::none, often, plain<give>},
    {"give, no hitless there", Path::standby, Toll::none, unheard, plain<heard_again>},
    {"hitless starts there", Path::primary, Toll::none, heard_again, plain<unheard>},
    {"take, guest stopped", Path::primary, Toll::none, stopped, undo_stopped},
    {"guest goes on", Path::standby, Toll::none, goes_on, plain<stopped>},
    {"given again", Path::primary, Toll::none, give, plain<take>},
    {"take, guest killed", Path::primary, Toll::none, guest_killed, undo_killed},
    {"guest restarted", Path::standby, Toll::none, guest_returns, plain<guest_killed>},
    {"daemon killed, often", Path::primary, Toll::none, daemons_killed, plain<give>},
    {"the wrong order", Path::standby, Toll::wrong, wrong_order, right_order},
};

} // namespace

std::span<const Event> host_story() {
    return events;
}

} // namespace hitless::cli::demo
