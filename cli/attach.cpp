// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "loader/core/names.hpp"
#include "loader/hitless.hpp"

#include <fmt/format.h>
#include <map>
#include <memory>
#include <ostream>

namespace hitless::cli {
namespace {

struct Options {
    AttachRequest request;
    std::string primary = "auto";
    std::string model = "two";
    std::string datapath = "tc";
    std::string liveness = "best";
    unsigned hold_down_ms = 200;
};

int attach_pair(Options &options, Env &env) {
    AttachRequest &request = options.request;
    request.primary = Selector::parse(options.primary);
    request.liveness = parse_liveness(options.liveness);
    request.policy.hold_down = std::chrono::milliseconds(options.hold_down_ms);
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
    app.add_option("--primary", options->primary,
                   "auto (same MAC, on PCI), mac (same MAC, any bus), an interface name, "
                   "pci:ADDRESS or slot:NUMBER")
        ->capture_default_str()
        ->type_name("WHICH");
    app.add_option("--model", options->model, "what the guest sees")
        ->check(CLI::IsMember({"two"}))
        ->capture_default_str();
    app.add_option("--datapath", options->datapath, "where the programs sit")
        ->check(CLI::IsMember({"tc"}))
        ->capture_default_str();
    app.add_option("--liveness", options->liveness,
                   "how frames learn that the primary is dead; best takes the first that the "
                   "kernel accepts")
        ->check(CLI::IsMember({"best", "cast", "probe-read", "netlink"}))
        ->capture_default_str();
    app.add_option("--hold-down", options->hold_down_ms,
                   "milliseconds that a lost primary must be good before it is used again")
        ->check(CLI::Range(0u, 3'600'000u))
        ->capture_default_str()
        ->type_name("MS");
    return [options](Env &env) { return attach_pair(*options, env); };
}

} // namespace hitless::cli
