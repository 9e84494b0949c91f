// SPDX-License-Identifier: BSD-2-Clause
//
// What `hitless run` offers beside keeping pairs: control socket, metrics. One pollable fd and
// process(), like the controller; the engine always goes first.
#pragma once

#include "cli/observe/file_writer.hpp"
#include "cli/observe/metrics.hpp"
#include "cli/serve/server.hpp"
#include "cli/serve/varlink.hpp"

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
        std::optional<std::string> socket; ///< none: `control` in the state directory
        std::string group;                 ///< whose members may read; empty: root only
        std::string metrics_file, metrics_socket;
        double metrics_interval_s = 15;
    };
    static void add_options(CLI::App &, Options &);

    Services(const Options &, std::function<void(const std::string &)> log);

    /// Readable when process() has something to do, or when `other` is.
    int fd() const { return poller_.fd(); }
    void watch(int other) { poller_.add(other, 0); }
    void process();
    void flipped(const Flip &);

  private:
    struct MetricsPage; ///< the protocol of the metrics socket

    void serve_control(const Options &);
    const std::vector<PairStatus> &snapshot();
    void write_metrics();

    std::function<void(const std::string &)> log_;
    std::optional<FileWriter> writer_;
    std::chrono::nanoseconds interval_;
    bool metrics_failed_ = false;
    FlipDurations durations_;
    std::vector<PairStatus> pairs_;
    Instant pairs_at_{};
    Poller poller_;
    Timer timer_;
    Varlink varlink_;
    std::shared_ptr<MetricsPage> page_;
    std::unique_ptr<Server> control_, metrics_;
};

} // namespace hitless::cli
