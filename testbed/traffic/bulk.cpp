// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic bulk: one end of a TCP stream whose every byte is checked.
#include "testbed/bulk.hpp"
#include "testbed/traffic/commands.hpp"

#include <fmt/format.h>
#include <memory>

namespace hitless::testbed::traffic {
namespace {

struct BulkOptions {
    bool sink = false;
    BulkSpec spec{};
};

void serve(const BulkSpec &spec) {
    const BulkSink sink(spec);
    converse(
        {{"report", [&](const Words &) {
              const BulkReport r = sink.report();
              return fmt::format(
                  R"({{"bytes":{},"bytes_per_s":{:.0f},"stall_ms":{:.3f},"wrong_at":{},"error":{},"ended":{}}})",
                  r.bytes, r.bytes_per_s, static_cast<double>(r.longest_stall_ns) / 1e6,
                  r.wrong_at ? fmt::to_string(*r.wrong_at) : "null", r.error, sink.ended());
          }}});
}

void feed(const BulkSpec &spec) {
    BulkSource source(spec);
    const Answer report = [&](const Words &) {
        return fmt::format(R"({{"bytes":{},"error":{}}})", source.bytes(), source.error());
    };
    converse({{"report", report}, {"stop", [&](const Words &words) {
                                       source.stop();
                                       return report(words);
                                   }}});
}

} // namespace

void add_bulk(CLI::App &app) {
    const auto options = std::make_shared<BulkOptions>();
    auto *command = app.add_subcommand("bulk", "checked TCP stream; stdin: report, stop, quit");
    auto *end = command->add_option_group("end")->require_option(1);
    end->add_option_function<std::string>(
        "--listen",
        [options](const std::string &address) {
            options->sink = true;
            options->spec.to = address;
        },
        "be the sink, on this address");
    end->add_option("--connect", options->spec.to, "be the source, to this address");
    command->add_option("--local", options->spec.from, "source address");
    command->add_option("--port", options->spec.port, "TCP port")->capture_default_str();
    command->add_option("--rate", options->spec.bytes_per_s, "bytes a second at most; 0 = no limit")
        ->capture_default_str();
    command->callback([options] { options->sink ? serve(options->spec) : feed(options->spec); });
}

} // namespace hitless::testbed::traffic
