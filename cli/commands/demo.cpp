// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"
#include "cli/config/model.hpp"
#include "cli/demo/outcome.hpp"
#include "cli/demo/stage.hpp"
#include "cli/demo/story.hpp"
#include "loader/core/error.hpp"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <ostream>
#include <unistd.h>

namespace hitless::cli {
namespace {

using namespace demo;

constexpr int exit_interrupted = 130; // as shells have it: 128 + SIGINT

struct Options {
    Spec spec;
    ModelChoice choice;
    bool json = false;
    std::string svg;
};

/// Opened before the story: a file that cannot be written should not cost a whole run.
std::ofstream open_picture(const std::string &file) {
    std::ofstream picture;
    if (file.empty()) return picture;
    picture.open(file);
    if (!picture) throw Error(errno, "write " + file);
    return picture;
}

int show(const Options &options, Env &env) {
    if (geteuid() != 0) throw Error(EPERM, "build the demo's network namespaces", "run it as root");
    std::ofstream picture = open_picture(options.svg);
    // The bar steers the terminal.
    const size_t events = (options.spec.host ? host_story() : story()).size();
    Progress progress(std::cerr, isatty(STDERR_FILENO) != 0, static_cast<unsigned>(events));
    try {
        const Report report = perform(options.spec, progress);
        progress.clear();
        if (picture.is_open() && !(picture << svg(report) << std::flush))
            throw Error(EIO, "write " + options.svg);
        env.out << (options.json ? json(report) : table(report)) << std::flush;
        return report.ok() ? exit_ok : exit_failed;
    } catch (const Interrupted &) {
        progress.say("hitless: demo interrupted; everything it made is removed");
        return exit_interrupted;
    }
}

} // namespace

Run setup_demo(CLI::App &app) {
    auto options = std::make_shared<Options>();
    static const std::map<std::string, testbed::NicKind> kinds = {{"veth", testbed::NicKind::veth},
                                                                  {"tap", testbed::NicKind::tap}};
    app.add_flag("-j,--json", options->json, "as JSON");
    app.add_flag("--host", options->spec.host,
                 "the story of a hypervisor that gives the guest its primary and takes it");
    app.add_option("--svg", options->svg, "draw the timeline into this file")->type_name("FILE");
    app.add_option(
           "--nic", options->spec.nic,
           "what the guest's NICs are: veth, or tap, whose carrier events the kernel delays "
           "as it does those of hardware")
        ->transform(CLI::CheckedTransformer(kinds))
        ->default_str("veth")
        ->type_name("veth|tap");
    add_model_options(app, options->choice);
    app.add_option("--rate", options->spec.rate, "UDP frames a second, each way")
        ->check(CLI::Range(100u, 200'000u))
        ->capture_default_str()
        ->type_name("PPS");
    app.add_option("--flips", options->spec.flips,
                   "planned switches (with --host: gives and takes), there and back; even")
        ->check(CLI::Range(2u, 100'000u))
        ->capture_default_str()
        ->type_name("N");
    return [options](Env &env) {
        options->spec.model = options->choice.chosen_model();
        options->spec.datapath = options->choice.chosen_datapath();
        options->spec.flips += options->spec.flips % 2; // ends where it began
        return show(*options, env);
    };
}

} // namespace hitless::cli
