// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "testbed/datagram.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/flow.hpp"
#include "testbed/until.hpp"
#include "testbed/urgent.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <net/if.h>

namespace hitless::testbed {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

Fd open_sender(const FlowSpec &spec) {
    const Endpoint to(spec.to, spec.port, spec.ifname);
    Fd socket = open_socket(to.family(), SOCK_DGRAM);
    grow_buffer(socket, SO_SNDBUFFORCE, SO_SNDBUF, 4 << 20);
    set_option(socket, SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST");
    if (to.multicast()) {
        const auto ifindex = static_cast<int>(if_nametoindex(spec.ifname.c_str()));
        if (ifindex == 0) throw Error(errno, fmt::format("send multicast by '{}'", spec.ifname));
        if (to.family() == AF_INET) {
            const ip_mreqn by{{}, {}, ifindex};
            if (setsockopt(socket.get(), IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by) != 0)
                throw Error(errno, "send multicast by " + spec.ifname);
            set_option(socket, IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP");
        } else {
            set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex, "IPV6_MULTICAST_IF");
            set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP");
        }
    }
    if (!spec.from.empty()) bind_to(socket, Endpoint(spec.from, 0, spec.ifname), spec.from);
    return socket;
}

} // namespace

/// The datagrams of one burst, all but their numbers made once.
class Sender::Burst {
  public:
    Burst(const FlowSpec &spec, std::size_t capacity)
        : to_(spec.to, spec.port, spec.ifname), size_(spec.size), bytes_(capacity * spec.size),
          vectors_(capacity), messages_(capacity) {
        const Datagram first{.magic = Datagram::expected_magic, .id = spec.id};
        for (std::size_t i = 0; i < capacity; ++i) {
            std::memcpy(&bytes_[i * size_], &first, sizeof first);
            vectors_[i] = {&bytes_[i * size_], size_};
            messages_[i].msg_hdr = {.msg_name = to_.get(),
                                    .msg_namelen = to_.size(),
                                    .msg_iov = &vectors_[i],
                                    .msg_iovlen = 1,
                                    .msg_control = nullptr,
                                    .msg_controllen = 0,
                                    .msg_flags = 0};
        }
    }
    Burst(const Burst &) = delete; // the messages point into it
    Burst &operator=(const Burst &) = delete;

    /// Sends up to `count` frames numbered from `seq`; how many the kernel took, or -1 with errno.
    int send(const Fd &socket, std::uint64_t seq, unsigned count) {
        const std::uint64_t now = now_ns();
        for (unsigned i = 0; i < count; ++i) {
            const std::uint64_t stamp[2] = {seq + i, now};
            std::memcpy(&bytes_[i * size_ + offsetof(Datagram, seq)], stamp, sizeof stamp);
        }
        return sendmmsg(socket.get(), messages_.data(), count, MSG_DONTWAIT);
    }

  private:
    Endpoint to_;
    std::size_t size_;
    std::vector<std::uint8_t> bytes_;
    std::vector<iovec> vectors_;
    std::vector<mmsghdr> messages_;
};

Sender::Sender(const FlowSpec &spec) : spec_(spec) {
    if (spec.rate == 0) throw Error(EINVAL, "send a flow at 0 frames a second");
    if (spec.size < sizeof(Datagram) || spec.size > 65'507)
        throw Error(EINVAL, fmt::format("send frames of {} bytes", spec.size),
                    fmt::format("use {} to 65507", sizeof(Datagram)));
    socket_ = open_sender(spec);
}

Sender::~Sender() {
    stop();
}

void Sender::start() {
    if (!thread_.joinable())
        thread_ = std::jthread([this](const std::stop_token &stop) { run(stop); });
}

void Sender::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

std::map<int, std::uint64_t> Sender::refusals() const {
    const std::lock_guard lock(mutex_);
    return refusals_;
}

void Sender::run(const std::stop_token &stop) {
    run_urgently();
    const std::uint64_t tick = std::max(burst_ns, second / spec_.rate);
    const auto usual = static_cast<unsigned>(tick * spec_.rate / second);
    const auto most = static_cast<unsigned>(longest_burst_ns / burst_ns) * std::max(usual, 1u);
    Burst burst(spec_, most);
    const std::uint64_t start = now_ns();
    std::uint64_t done = 0;
    for (std::uint64_t deadline = start; !stop.stop_requested();) {
        const std::uint64_t elapsed = now_ns() - start;
        const std::uint64_t due =
            elapsed / second * spec_.rate + elapsed % second * spec_.rate / second + 1;
        const auto count = static_cast<unsigned>(std::min<std::uint64_t>(due - done, most));
        send(burst, count);
        done += count;
        // Half a tick at least between bursts, so that catching up is spread out, too.
        deadline = std::max(deadline + tick, now_ns() + tick / 2);
        pace(deadline);
    }
}

void Sender::send(Burst &burst, unsigned count) {
    while (count > 0) {
        const std::uint64_t seq = next_.load(std::memory_order_relaxed);
        const int taken = burst.send(socket_, seq, count);
        if (taken > 0) {
            next_.store(seq + static_cast<unsigned>(taken), std::memory_order_release);
            count -= static_cast<unsigned>(taken);
            continue;
        }
        // A refused frame uses up its place in time, but not its number: the next frame gets that.
        const int cause = errno;
        not_sent_.fetch_add(1, std::memory_order_relaxed);
        --count;
        const std::lock_guard lock(mutex_);
        ++refusals_[cause];
    }
}

} // namespace hitless::testbed
