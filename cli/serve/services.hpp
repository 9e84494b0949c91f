// SPDX-License-Identifier: BSD-2-Clause
//
// What a daemon offers beside its work: control socket, metrics. One pollable fd and process(),
// like the work itself, which always goes first.
#pragma once

#include "cli/observe/file_writer.hpp"
#include "cli/serve/server.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace CLI {
class App;
}

namespace hitless::cli {

class Services {
  public:
    struct Options {
        std::optional<std::string> socket; ///< none: in the state directory
        std::string group;                 ///< whose members may read; empty: root only
        std::string metrics_file, metrics_socket;
        double metrics_interval_s = 15;
    };
    static void add_options(CLI::App &, Options &);
    /// What is offered by them; outlives the object.
    struct Offer {
        Protocol &control;
        std::function<std::string()> metrics;
        std::string name; ///< of the control socket in the state directory
    };

    Services(const Options &, Offer, std::function<void(const std::string &)> log);

    /// Readable when process() has something to do, or when `other` is.
    int fd() const { return poller_.fd(); }
    void watch(int other) { poller_.add(other, 0); }
    void process();
    /// To all who subscribed at the control socket.
    void publish(const std::string &news);

  private:
    struct MetricsPage; ///< the protocol of the metrics socket

    void serve_control(const Options &);
    void write_metrics();

    Offer offer_;
    std::function<void(const std::string &)> log_;
    std::optional<FileWriter> writer_;
    std::chrono::nanoseconds interval_;
    bool metrics_failed_ = false;
    Poller poller_;
    Timer timer_;
    std::shared_ptr<MetricsPage> page_;
    std::unique_ptr<Server> control_, metrics_;
};

} // namespace hitless::cli
