// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/bulk.hpp"

#include "loader/core/error.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/pattern.hpp"
#include "testbed/until.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

namespace hitless::testbed {
namespace {

constexpr std::size_t chunk = 64 << 10;
constexpr std::uint64_t second = 1'000'000'000;

void send_timeout(const Fd &socket, timeval patience) {
    if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
        throw Error(errno, "set socket option SO_SNDTIMEO");
}

/// False when woken up to stop.
bool readable(int fd, const Fd &wake) {
    std::array<pollfd, 2> watched{{{fd, POLLIN, 0}, {wake.get(), POLLIN, 0}}};
    while (poll(watched.data(), watched.size(), -1) < 0) {
    }
    return watched[1].revents == 0;
}

} // namespace

BulkSink::BulkSink(const BulkSpec &spec) : wake_(eventfd(0, EFD_CLOEXEC)) {
    if (!wake_) throw Error(errno, "create an eventfd");
    const Endpoint here(spec.to, spec.port);
    listener_ = open_socket(here.family(), SOCK_STREAM);
    set_option(listener_, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    bind_to(listener_, here, fmt::format("{} port {}", spec.to, spec.port));
    if (listen(listener_.get(), 1) != 0) throw Error(errno, "listen on " + spec.to);
    thread_ = std::jthread([this] { run(); });
}

BulkSink::~BulkSink() {
    eventfd_write(wake_.get(), 1);
}

BulkReport BulkSink::report() const {
    const std::lock_guard lock(mutex_);
    BulkReport report = report_;
    if (last_ns_ != 0 && !ended())
        report.longest_stall_ns = std::max(report.longest_stall_ns, now_ns() - last_ns_);
    if (last_ns_ > first_ns_)
        report.bytes_per_s =
            static_cast<double>(report.bytes) * 1e9 / static_cast<double>(last_ns_ - first_ns_);
    return report;
}

void BulkSink::run() {
    if (!readable(listener_.get(), wake_)) return;
    const Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
        drain(connection.get());
    } else {
        const std::lock_guard lock(mutex_);
        report_.error = errno;
    }
    ended_.store(true, std::memory_order_release);
}

void BulkSink::drain(int connection) {
    std::vector<std::uint8_t> buffer(4 * chunk);
    std::vector<std::uint64_t> room;
    while (readable(connection, wake_)) {
        const ssize_t length = recv(connection, buffer.data(), buffer.size(), 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        const int cause = errno;
        const std::uint64_t now = now_ns();
        const std::lock_guard lock(mutex_);
        if (length < 0) report_.error = cause;
        if (length <= 0) return;
        if (first_ns_ == 0) first_ns_ = last_ns_ = now;
        report_.longest_stall_ns = std::max(report_.longest_stall_ns, now - last_ns_);
        last_ns_ = now;
        const std::span got(buffer.data(), static_cast<std::size_t>(length));
        if (const auto wrong = first_wrong(report_.bytes, got, room)) {
            report_.bytes += *wrong;
            report_.wrong_at = report_.bytes;
            report_.error = EBADMSG;
            return;
        }
        report_.bytes += got.size();
    }
}

BulkSource::BulkSource(const BulkSpec &spec) : spec_(spec) {
    const Endpoint there(spec.to, spec.port);
    socket_ = open_socket(there.family(), SOCK_STREAM);
    if (!spec.from.empty()) bind_to(socket_, Endpoint(spec.from, 0), spec.from);
    send_timeout(socket_, {5, 0}); // holds for connect, too
    if (connect(socket_.get(), there.get(), there.size()) != 0)
        throw Error(errno, fmt::format("connect to {} port {}", spec.to, spec.port));
    send_timeout(socket_, {0, 50'000}); // a stalled stream must still hear stop()
    thread_ = std::jthread([this](const std::stop_token &stop) { run(stop); });
}

BulkSource::~BulkSource() {
    stop();
}

void BulkSource::stop() {
    thread_.request_stop();
}

void BulkSource::run(const std::stop_token &stop) {
    std::vector<std::uint64_t> room;
    const std::uint64_t start = now_ns();
    for (std::uint64_t sent = 0; !stop.stop_requested();) {
        const ssize_t length =
            ::send(socket_.get(), pattern(sent, chunk, room), chunk, MSG_NOSIGNAL);
        if (length < 0 && errno != EAGAIN && errno != EINTR) {
            error_.store(errno, std::memory_order_relaxed);
            return;
        }
        sent += static_cast<std::uint64_t>(std::max<ssize_t>(length, 0));
        bytes_.store(sent, std::memory_order_relaxed);
        // Split in seconds and rest: 64 bits of nanoseconds times bytes are not enough.
        if (const std::uint64_t rate = spec_.bytes_per_s; rate != 0)
            pace(start + sent / rate * second + sent % rate * second / rate);
    }
    shutdown(socket_.get(), SHUT_WR);
}

Bulk::Bulk(const Netns &from, const Netns &to, const BulkSpec &spec)
    : sink_(in_netns(to, [&] { return BulkSink(spec); })),
      source_(in_netns(from, [&] { return BulkSource(spec); })) {}

BulkReport Bulk::finish() {
    source_.stop();
    const bool ended = until([&] { return sink_.ended(); }, std::chrono::seconds(5));
    BulkReport report = sink_.report();
    if (report.error == 0) report.error = source_.error();
    if (report.error == 0 && !ended) report.error = ETIMEDOUT;
    return report;
}

} // namespace hitless::testbed
