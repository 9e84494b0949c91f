// SPDX-License-Identifier: BSD-2-Clause
//
// hl-traffic pingpong: UDP round trips, one at a time, everything on one CPU, so that the figure is
// the length of the path and not the mood of the scheduler. Wake-ups of an idle CPU are not in it.
//
//   far$   hl-traffic pingpong --serve 10.77.0.1 --cpu 1
//   guest$ hl-traffic pingpong --connect 10.77.0.1 --cpu 1 --count 100000
#include "loader/core/error.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/traffic/commands.hpp"
#include "testbed/until.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <memory>
#include <sched.h>
#include <sys/time.h>
#include <thread>

namespace hitless::testbed::traffic {
namespace {

struct PingpongOptions {
    std::string serve;
    std::string connect;
    std::uint16_t port = 7702;
    unsigned cpu = 0;
    unsigned count = 100'000;
    unsigned warm_up = 1'000;
    unsigned size = 64;
};

void pin_to(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        throw Error(errno, fmt::format("stay on CPU {}", cpu));
}

void give_up_after(const Fd &socket, timeval patience) {
    if (setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        throw Error(errno, "set socket option SO_RCVTIMEO");
}

/// Sends everything back, until destroyed or until stdin says so.
class Echo {
  public:
    explicit Echo(const PingpongOptions &options) {
        const Endpoint here(options.serve, options.port);
        socket_ = open_socket(here.family(), SOCK_DGRAM);
        give_up_after(socket_, {0, 100'000});
        bind_to(socket_, here, options.serve);
        thread_ = std::jthread([this](const std::stop_token &stop) { run(stop); });
    }

  private:
    void run(const std::stop_token &stop) const {
        std::vector<char> buffer(65'536);
        Endpoint peer = Endpoint::any(AF_INET6);
        while (!stop.stop_requested()) {
            socklen_t size = sizeof(sockaddr_storage);
            const ssize_t length =
                recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, peer.get(), &size);
            if (length >= 0)
                sendto(socket_.get(), buffer.data(), static_cast<std::size_t>(length), 0,
                       peer.get(), size);
        }
    }

    Fd socket_;
    std::jthread thread_;
};

/// Nanoseconds of each round trip that came back within 100 ms.
std::vector<std::uint64_t> round_trips(const PingpongOptions &options) {
    const Endpoint there(options.connect, options.port);
    const Fd socket = open_socket(there.family(), SOCK_DGRAM);
    give_up_after(socket, {0, 100'000});
    if (connect(socket.get(), there.get(), there.size()) != 0)
        throw Error(errno, "connect to " + options.connect);
    std::vector<char> buffer(std::max<std::size_t>(options.size, sizeof(unsigned)));
    std::vector<std::uint64_t> times;
    times.reserve(options.count);
    for (unsigned i = 0; i < options.warm_up + options.count; ++i) {
        std::memcpy(buffer.data(), &i,
                    sizeof i); // an answer that is late must not pass for this one
        const std::uint64_t start = now_ns();
        if (send(socket.get(), buffer.data(), buffer.size(), 0) < 0) continue;
        unsigned answer = i + 1;
        while (answer != i && recv(socket.get(), buffer.data(), buffer.size(), 0) > 0)
            std::memcpy(&answer, buffer.data(), sizeof answer);
        if (answer == i && i >= options.warm_up) times.push_back(now_ns() - start);
    }
    return times;
}

void run(const PingpongOptions &options) {
    pin_to(options.cpu); // threads made from here on inherit it
    std::unique_ptr<Echo> echo;
    if (!options.serve.empty()) echo = std::make_unique<Echo>(options);
    if (options.connect.empty()) return converse({});
    auto times = round_trips(options);
    std::sort(times.begin(), times.end());
    const auto at = [&](double part) {
        return times.empty()
                   ? 0
                   : times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
    };
    say(fmt::format(R"({{"count":{},"lost":{},"min_ns":{},"p50_ns":{},"p99_ns":{}}})", times.size(),
                    options.count - times.size(), at(0), at(0.5), at(0.99)));
}

} // namespace

void add_pingpong(CLI::App &app) {
    const auto options = std::make_shared<PingpongOptions>();
    auto *command = app.add_subcommand("pingpong", "same-CPU UDP round trips");
    auto *ends = command->add_option_group("ends")->require_option(1, 2);
    ends->add_option("--serve", options->serve, "answer on this address, until stdin ends");
    ends->add_option("--connect", options->connect, "measure against this address");
    command->add_option("--port", options->port, "UDP port")->capture_default_str();
    command->add_option("--cpu", options->cpu, "CPU to stay on")->capture_default_str();
    command->add_option("--count", options->count, "round trips measured")->capture_default_str();
    command->add_option("--warm-up", options->warm_up, "round trips before")->capture_default_str();
    command->add_option("--size", options->size, "payload bytes")
        ->check(CLI::Range(4, 65'507))
        ->capture_default_str();
    command->callback([options] { run(*options); });
}

} // namespace hitless::testbed::traffic
