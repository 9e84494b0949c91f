// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic flow: one end of a numbered flow in each direction.
//
//   guest$ hl-traffic flow --local 10.77.0.2 --remote 10.77.0.1
//   far$   hl-traffic flow --local 10.77.0.1 --remote 10.77.0.2
//
// `mark` on the sending end brackets an event; `tally` on the other end judges it.
#include "testbed/flow.hpp"
#include "loader/core/error.hpp"
#include "testbed/traffic/commands.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <optional>

namespace hitless::testbed::traffic {
namespace {

struct FlowOptions {
    std::string local;
    std::string remote;
    FlowSpec spec{};
    bool send = false;
    bool receive = false;
    bool hold = false;
    unsigned patience_ms = 200;
};

class FlowEnd {
  public:
    explicit FlowEnd(const FlowOptions &options) : options_(options) {
        const bool both = options.send == options.receive;
        if ((both || options.send) && options.remote.empty())
            throw CLI::RequiredError("--remote, to send to,");
        FlowSpec in = options.spec;
        in.to = options.local;
        FlowSpec out = options.spec;
        out.from = options.local;
        out.to = options.remote;
        if (both || options.receive) receiver_.emplace(in);
        if (both || options.send) sender_.emplace(out);
        if (sender_ && !options.hold) sender_->start();
    }

    std::string mark() { return fmt::format(R"({{"next":{}}})", sender().next()); }
    std::string start() {
        sender().start();
        return mark();
    }
    std::string stop() {
        sender().stop();
        return mark();
    }
    std::string tally(std::uint64_t from, std::uint64_t to) {
        const Tally t =
            receiver().settled(from, to, std::chrono::milliseconds(options_.patience_ms));
        return fmt::format(
            R"({{"frames":{},"lost":{},"duplicated":{},"reordered":{},"gap_ms":{:.3f},"socket_drops":{}}})",
            t.frames, t.lost, t.duplicated, t.reordered,
            static_cast<double>(t.longest_gap_ns) / 1e6, receiver().socket_drops());
    }
    std::string status() {
        return fmt::format(
            R"({{"next":{},"not_sent":{},"seen":{},"arrivals":{},"socket_drops":{}}})",
            sender_ ? sender_->next() : 0, sender_ ? sender_->not_sent() : 0,
            receiver_ ? receiver_->seen() : 0, receiver_ ? receiver_->arrivals() : 0,
            receiver_ ? receiver_->socket_drops() : 0);
    }
    std::string timeline(std::uint64_t seconds) {
        const std::uint64_t now = now_ns();
        const std::uint64_t span = std::min(now, seconds * 1'000'000'000);
        return fmt::format(R"({{"bucket_ms":{},"arrivals":[{}]}})", Ledger::bucket_ns / 1'000'000,
                           fmt::join(receiver().timeline(now - span, now), ","));
    }

  private:
    Sender &sender() {
        if (!sender_) throw Error(EINVAL, "speak of the sender", "run without --recv");
        return *sender_;
    }
    Receiver &receiver() {
        if (!receiver_) throw Error(EINVAL, "speak of the receiver", "run without --send");
        return *receiver_;
    }

    FlowOptions options_;
    std::optional<Receiver> receiver_;
    std::optional<Sender> sender_;
};

void run(const FlowOptions &options) {
    FlowEnd end(options);
    converse({{"mark", [&](const Words &) { return end.mark(); }},
              {"start", [&](const Words &) { return end.start(); }},
              {"stop", [&](const Words &) { return end.stop(); }},
              {"status", [&](const Words &) { return end.status(); }},
              {"tally", [&](const Words &w) { return end.tally(number(w, 1), number(w, 2)); }},
              {"timeline", [&](const Words &w) { return end.timeline(number(w, 1)); }}});
}

} // namespace

void add_flow(CLI::App &app) {
    const auto options = std::make_shared<FlowOptions>();
    auto *command = app.add_subcommand("flow", "numbered UDP; stdin: mark, tally FROM TO, start, "
                                               "stop, status, timeline SECONDS, quit");
    command->add_option("--local", options->local, "own address; with --recv, a group or broadcast")
        ->required();
    command->add_option("--remote", options->remote, "address to send to");
    command->add_option("--port", options->spec.port, "UDP port of both ends")
        ->capture_default_str();
    command->add_option("--rate", options->spec.rate, "frames a second")->capture_default_str();
    command->add_option("--size", options->spec.size, "payload bytes")->capture_default_str();
    command->add_option("--ifname", options->spec.ifname, "device for multicast and link-local");
    command->add_option("--id", options->spec.id, "flow id")->capture_default_str();
    command->add_option("--window", options->spec.window, "numbers remembered")
        ->capture_default_str();
    command->add_option("--patience", options->patience_ms, "ms a tally waits for what is missing")
        ->capture_default_str();
    command->add_flag("--hold", options->hold, "send nothing before `start`");
    auto *send = command->add_flag("--send", options->send, "only send");
    command->add_flag("--recv", options->receive, "only receive")->excludes(send);
    command->callback([options] { run(*options); });
}

} // namespace hitless::testbed::traffic
