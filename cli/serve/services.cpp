// SPDX-License-Identifier: BSD-2-Clause
#include "cli/serve/services.hpp"
#include "cli/observe/metrics.hpp"
#include "loader/api.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <cerrno>
#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace hitless::cli {
/// Whatever is asked, over HTTP because that is what collectors speak.
struct Services::MetricsPage : Protocol {
    std::function<std::string()> text;

    size_t length(std::string_view input) const override {
        size_t end = input.find("\r\n\r\n");
        return end == input.npos ? 0 : end + 4;
    }
    Answer answer(std::string_view, const Peer &) override {
        std::string body;
        try {
            body = text();
        } catch (const Error &error) {
            return {fmt::format("HTTP/1.0 503 Service Unavailable\r\n\r\n{}\n", error.what()),
                    Answer::close};
        }
        return {fmt::format("HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                            "Content-Length: {}\r\n\r\n{}",
                            body.size(), body),
                Answer::close};
    }
};

void Services::add_options(CLI::App &app, Options &options) {
    app.add_option("--socket", options.socket,
                   "serve the control socket there; '' for none [control in the state directory]")
        ->type_name("PATH");
    app.add_option("--socket-group", options.group, "whose members may read from the sockets")
        ->type_name("GROUP");
    app.add_option("--metrics-file", options.metrics_file,
                   "write metrics there in one step, for a textfile collector")
        ->type_name("FILE");
    app.add_option("--metrics-interval", options.metrics_interval_s, "seconds between two writes")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str()
        ->type_name("S");
    app.add_option("--metrics-socket", options.metrics_socket, "serve metrics there, by HTTP")
        ->type_name("PATH");
}

Services::Services(const Options &options, Offer offer,
                   std::function<void(const std::string &)> log)
    : offer_(std::move(offer)), log_(std::move(log)),
      interval_(static_cast<int64_t>(options.metrics_interval_s * 1e9)),
      page_(std::make_shared<MetricsPage>()) {
    page_->text = offer_.metrics;
    poller_.add(timer_.fd(), 0);
    serve_control(options);
    if (!options.metrics_socket.empty()) {
        metrics_ = std::make_unique<Server>(options.metrics_socket, options.group, *page_);
        poller_.add(metrics_->fd(), 0);
    }
    if (!options.metrics_file.empty()) {
        write_atomically(options.metrics_file, page_->text()); // what cannot be is said at once
        writer_.emplace(options.metrics_file);
        timer_.arm(now() + interval_);
    }
}

/// Asked for, it is needed; else that of another network namespace may have the name, and ours is
/// called by the number of this one.
void Services::serve_control(const Options &options) {
    std::string path =
        options.socket.value_or(fmt::format("{}/{}", state_directory(), offer_.name));
    if (path.empty()) return;
    try {
        control_ = std::make_unique<Server>(path, options.group, offer_.control);
    } catch (const Error &error) {
        if (options.socket || error.code() != EADDRINUSE) throw;
        std::string own = fmt::format("{}-{}", path, netns_cookie());
        control_ = std::make_unique<Server>(own, options.group, offer_.control);
        log_(fmt::format("another controller serves {}; this one serves {}", path, own));
    }
    poller_.add(control_->fd(), 0);
}

void Services::process() {
    for (Server *server : {control_.get(), metrics_.get()})
        if (server) try {
                server->process();
            } catch (const Error &error) {
                log_(error.what()); // out of memory or descriptors: the engine goes on
            }
    if (writer_) write_metrics();
}

void Services::publish(const std::string &news) {
    if (control_) control_->publish(news);
}

/// A collector that cannot be told is no reason to stop keeping pairs.
void Services::write_metrics() {
    if (!timer_.due()) return;
    timer_.arm(now() + interval_);
    std::optional<std::string> failure = writer_->failure();
    if (failure && !metrics_failed_) log_(fmt::format("{}, going on", *failure));
    metrics_failed_ = failure.has_value();
    try {
        writer_->write(page_->text());
    } catch (const Error &error) {
        log_(error.what()); // what is to be told could not be read; the next time may be better
    }
}

} // namespace hitless::cli
