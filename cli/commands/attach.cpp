// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/config/model.hpp"
#include "cli/config/policy.hpp"
#include "loader/api.hpp"
#include "loader/core/names.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    AttachRequest request;
    std::string primary = "auto";
    ModelChoice choice;
    std::string liveness = "best";
    std::string reselect = "always";
    std::string announce = "auto";
    std::string carrier = "keep";
};

std::vector<std::string> words(std::span<const std::string_view> names) {
    return {names.begin(), names.end()};
}

int attach_pair(Options &options, Env &env) {
    AttachRequest &request = options.request;
    request.primary = Selector::parse(options.primary);
    request.liveness = parse_liveness(options.liveness);
    request.datapath = options.choice.chosen_datapath();
    request.model = options.choice.chosen_model();
    request.policy.reselect =
        static_cast<hl_reselect>(place_of(options.reselect, reselect_names).value_or(0));
    request.policy.announce =
        static_cast<hl_announce>(place_of(options.announce, announce_names).value_or(0));
    request.policy.carrier =
        static_cast<hl_carrier>(place_of(options.carrier, carrier_names).value_or(0));
    request.note = [&env](const std::string &line) { env.err << "hitless: " << line << '\n'; };
    std::string primary = attach(request);
    if (primary.empty()) {
        env.out << fmt::format(
            "{}: attached; no primary yet (`hitless run` takes it when it comes)\n",
            request.standby);
        return exit_ok;
    }
    PairStatus pair = status(request.standby);
    env.out << fmt::format("{}: attached with {}; active path: {}\n", request.standby, primary,
                           pair.primary_active ? "primary" : "standby");
    return exit_ok;
}

} // namespace

Run setup_attach(CLI::App &app) {
    auto options = std::make_shared<Options>();
    app.add_option("standby", options->request.standby, "the paravirtual NIC")
        ->required()
        ->type_name("STANDBY");
    app.add_option("--primary", options->primary, selector_forms)
        ->capture_default_str()
        ->type_name("WHICH");
    add_model_options(app, options->choice);
    app.add_option("--failover", options->request.failover,
                   "the name of the failover device that three and hidden make")
        ->default_str("fo-STANDBY")
        ->type_name("NAME");
    app.add_flag("--checksums-complete", options->request.checksums_complete,
                 "with xdp, on veth and taps: the other ends have tx and txvlan off");
    app.add_flag("--gate", options->request.gate,
                 "with two by tc: an XDP program keeps twins from taps on the standby");
    app.add_option("--liveness", options->liveness,
                   "how frames learn that the primary is dead; best takes the first that the "
                   "kernel accepts")
        ->check(CLI::IsMember({"best", "cast", "probe-read", "netlink"}))
        ->capture_default_str();
    for (const Timing &timing : timings()) {
        auto set = [options, &timing](const int64_t &ms) {
            timing.of(options->request.policy) = std::chrono::milliseconds(ms);
        };
        app.add_option_function<int64_t>(timing.option(), set, timing.meaning)
            ->check(CLI::Range(int64_t{0}, timing.most))
            ->default_str(std::to_string(timing.of(options->request.policy).count()))
            ->type_name("MS");
    }
    app.add_option("--reselect", options->reselect,
                   "when a primary that was lost is taken back, as bonding's primary_reselect")
        ->check(CLI::IsMember(words(reselect_names)))
        ->capture_default_str();
    app.add_option("--announce", options->announce, "what the network is told after a flip")
        ->check(CLI::IsMember(words(announce_names)))
        ->capture_default_str();
    app.add_option(
           "--carrier", options->carrier,
           "of a failover device; follow: a controller takes it away while neither NIC works")
        ->check(CLI::IsMember(words(carrier_names)))
        ->capture_default_str();
    return [options](Env &env) { return attach_pair(*options, env); };
}

} // namespace hitless::cli
