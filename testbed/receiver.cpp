// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "testbed/datagram.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/flow.hpp"
#include "testbed/until.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <net/if.h>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>

namespace hitless::testbed {
namespace {

constexpr unsigned batch_size = 128;

void join_group(const Fd &socket, const Endpoint &group, const FlowSpec &spec) {
    const unsigned ifindex = if_nametoindex(spec.ifname.c_str());
    const std::string action = fmt::format("join {} on '{}'", spec.to, spec.ifname);
    if (ifindex == 0) throw Error(errno, action);
    int failed = 0;
    if (group.family() == AF_INET) {
        const ip_mreqn join{group.v4(), {}, static_cast<int>(ifindex)};
        failed = setsockopt(socket.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join);
    } else {
        const ipv6_mreq join{group.v6(), ifindex};
        failed = setsockopt(socket.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof join);
    }
    if (failed != 0) throw Error(errno, action);
}

Fd open_receiver(const FlowSpec &spec) {
    const Endpoint to(spec.to, spec.port, spec.ifname);
    Fd socket = open_socket(to.family(), SOCK_DGRAM);
    // 64 MiB is more than two seconds of small frames at 20 kpps: longer than we stay descheduled.
    grow_buffer(socket, SO_RCVBUFFORCE, SO_RCVBUF, 64 << 20);
    set_option(socket, SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL");
    set_option(socket, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    if (to.multicast()) {
        set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
        join_group(socket, to, spec);
    }
    bind_to(socket, to, fmt::format("{} port {}", spec.to, spec.port));
    return socket;
}

std::uint64_t wall_ns() {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(t.tv_nsec);
}

/// The kernel stamps frames with the wall clock as they enter the stack, which is what we want to
/// know: not when this thread got round to reading them. Brought to CLOCK_MONOTONIC by their age;
/// an age beyond ten seconds means the wall clock was set, and the time of reading must do.
std::uint64_t arrival_ns(const timespec &stamp, std::uint64_t wall, std::uint64_t now) {
    const auto stamped = static_cast<std::uint64_t>(stamp.tv_sec) * 1'000'000'000 +
                         static_cast<std::uint64_t>(stamp.tv_nsec);
    const std::uint64_t age = wall - stamped; // wraps to a huge age when stamped in the future
    return age < 10'000'000'000 ? now - age : now;
}

/// The receive buffers of one recvmmsg.
class Batch {
  public:
    Batch() {
        for (unsigned i = 0; i < batch_size; ++i) {
            vectors_[i] = {&datagrams_[i], sizeof(Datagram)};
            messages_[i].msg_hdr.msg_iov = &vectors_[i];
            messages_[i].msg_hdr.msg_iovlen = 1;
            messages_[i].msg_hdr.msg_control = controls_[i].data();
        }
    }
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;

    int receive(int socket) {
        for (auto &m : messages_)
            m.msg_hdr.msg_controllen = sizeof controls_[0];
        return recvmmsg(socket, messages_.data(), batch_size, MSG_DONTWAIT, nullptr);
    }
    /// The header of message `i`, if it is a datagram of ours.
    const Datagram *datagram(unsigned i) const {
        const bool whole = messages_[i].msg_len >= sizeof(Datagram);
        return whole && datagrams_[i].magic == Datagram::expected_magic ? &datagrams_[i] : nullptr;
    }
    template <class T>
    std::optional<T> control(unsigned i, int type) {
        msghdr &header = messages_[i].msg_hdr;
        for (cmsghdr *c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != type) continue;
            T value;
            std::memcpy(&value, CMSG_DATA(c), sizeof value);
            return value;
        }
        return {};
    }

  private:
    struct alignas(cmsghdr) Control : std::array<char, 64> {};
    std::array<Datagram, batch_size> datagrams_{};
    std::array<Control, batch_size> controls_{};
    std::array<iovec, batch_size> vectors_{};
    std::array<mmsghdr, batch_size> messages_{};
};

} // namespace

Receiver::Receiver(const FlowSpec &spec)
    : spec_(spec), socket_(open_receiver(spec)), wake_(eventfd(0, EFD_CLOEXEC)),
      ledger_(spec.window) {
    if (!wake_) throw Error(errno, "create an eventfd");
    thread_ = std::jthread([this] { run(); });
}

Receiver::~Receiver() {
    eventfd_write(wake_.get(), 1);
}

std::uint64_t Receiver::seen() const {
    const std::lock_guard lock(mutex_);
    return ledger_.seen();
}

std::uint64_t Receiver::arrivals() const {
    const std::lock_guard lock(mutex_);
    return ledger_.arrivals();
}

Tally Receiver::tally(std::uint64_t from, std::uint64_t to) const {
    const std::lock_guard lock(mutex_);
    return ledger_.tally(from, to);
}

Tally Receiver::settled(std::uint64_t from, std::uint64_t to,
                        std::chrono::milliseconds patience) const {
    // The second look is dear in a long range, so it waits for the first to say yes.
    until([&] { return seen() >= to && tally(from, to).lost == 0; }, patience);
    return tally(from, to);
}

std::vector<std::uint32_t> Receiver::timeline(std::uint64_t from_ns, std::uint64_t to_ns) const {
    const std::lock_guard lock(mutex_);
    return ledger_.timeline(from_ns, to_ns);
}

void Receiver::run() {
    Batch batch;
    std::array<pollfd, 2> watched{{{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    while (true) {
        if (poll(watched.data(), watched.size(), -1) < 0) continue; // EINTR
        if (watched[1].revents != 0) return;
        const int count = batch.receive(socket_.get());
        if (count <= 0) continue;
        const std::uint64_t now = now_ns();
        const std::uint64_t wall = wall_ns();
        const std::lock_guard lock(mutex_);
        for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
            if (const auto dropped = batch.control<std::uint32_t>(i, SO_RXQ_OVFL))
                socket_drops_.store(*dropped, std::memory_order_relaxed);
            const Datagram *datagram = batch.datagram(i);
            if (datagram == nullptr || datagram->id != spec_.id) continue;
            const auto stamp = batch.control<timespec>(i, SCM_TIMESTAMPNS);
            const std::uint64_t time = stamp ? arrival_ns(*stamp, wall, now) : now;
            // The clocks are read one after the other, so a fast frame may seem to arrive unsent.
            const std::uint64_t sent = datagram->sent_ns;
            ledger_.record(datagram->seq, time, time > sent ? time - sent : 0);
        }
    }
}

} // namespace hitless::testbed
