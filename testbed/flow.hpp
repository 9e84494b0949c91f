// SPDX-License-Identifier: BSD-2-Clause
//
// A numbered UDP flow: one thread that sends at a steady rate, one that records what arrives. An
// event is judged by the numbers that were sent while it happened:
//
//   Flow up(bed.guest(), bed.far(), {.from = "10.77.0.2", .to = "10.77.0.1"});
//   up.start();
//   auto before = up.mark();
//   ... the event ...
//   Tally t = up.since(before);
//
// Loss in the harness is told from loss in the network: what the local stack refused to send is
// `not_sent` and uses no number, what the receiver's own socket dropped is `socket_drops`.
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/ledger.hpp"
#include "testbed/netns.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace hitless::testbed {

struct FlowSpec {
    std::string from{};        ///< source address; empty = the kernel chooses
    std::string to{};          ///< IPv4 or IPv6; unicast, multicast group or broadcast
    std::uint16_t port = 7700; ///< destination port; the source port is ephemeral
    std::string ifname{};      ///< needed for multicast and link-local: to send by, to join on
    unsigned rate = 20'000;    ///< frames a second
    unsigned size = 64;        ///< UDP payload in bytes, at least 24
    std::uint32_t id = 1;      ///< tells flows apart that share a port or a group
    std::size_t window = Ledger::default_window;
};

/// Sends from a thread of its own, in bursts of about a millisecond. Late bursts are made up for,
/// but never with more than four times the usual burst at once.
class Sender {
  public:
    static constexpr std::uint64_t burst_ns = 1'000'000;                 ///< usually
    static constexpr std::uint64_t longest_burst_ns = 4 * burst_ns;      ///< while it catches up,
    static constexpr unsigned fastest = 2 * longest_burst_ns / burst_ns; ///< so many times its rate

    /// Opens the socket in the calling thread's network namespace (see in_netns). Throws Error.
    explicit Sender(const FlowSpec &spec);
    ~Sender();
    Sender(const Sender &) = delete;
    Sender &operator=(const Sender &) = delete;

    void start();
    void stop(); ///< returns when the last frame has been handed to the kernel
    /// The next sequence number to be sent: brackets an event.
    std::uint64_t next() const { return next_.load(std::memory_order_acquire); }
    /// Frames that were due and that the kernel refused (ENOBUFS, ENETUNREACH, ...).
    std::uint64_t not_sent() const { return not_sent_.load(std::memory_order_relaxed); }
    std::map<int, std::uint64_t> refusals() const; ///< the same by errno

  private:
    void run(const std::stop_token &stop);
    class Burst;
    void send(Burst &burst, unsigned count);

    FlowSpec spec_;
    Fd socket_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> not_sent_{0};
    mutable std::mutex mutex_;
    std::map<int, std::uint64_t> refusals_;
    std::jthread thread_;
};

/// Records from construction to destruction, in a thread of its own.
class Receiver {
  public:
    /// Opens and binds the socket in the calling thread's network namespace. The address need not
    /// exist yet. Throws Error.
    explicit Receiver(const FlowSpec &spec);
    ~Receiver();
    Receiver(const Receiver &) = delete;
    Receiver &operator=(const Receiver &) = delete;

    std::uint64_t seen() const;     ///< one more than the highest number that arrived
    std::uint64_t arrivals() const; ///< duplicates included
    Tally tally(std::uint64_t from, std::uint64_t to) const; ///< as it stands now
    /// Waits first, until nothing is missing or `patience` is used up: a frame on its way, or
    /// overtaken on another path, is not lost.
    Tally settled(std::uint64_t from, std::uint64_t to, std::chrono::milliseconds patience) const;
    std::vector<std::uint32_t> timeline(std::uint64_t from_ns, std::uint64_t to_ns) const;
    /// Frames that reached this socket and found it full: the harness's loss, not the network's.
    std::uint64_t socket_drops() const { return socket_drops_.load(std::memory_order_relaxed); }

  private:
    void run();

    FlowSpec spec_;
    Fd socket_;
    Fd wake_;
    mutable std::mutex mutex_;
    Ledger ledger_;
    std::atomic<std::uint64_t> socket_drops_{0};
    std::jthread thread_;
};

/// Frames sent in a time, rounded up.
std::uint64_t frames_in(std::uint64_t ns, unsigned rate);

/// Frames to the guest that may be lost to a learning switch, which sends them where the guest was
/// until it hears the guest elsewhere. `up` came from the guest: its next frame was sent at most
/// `up`'s longest gap after the fault, and was under way no longer than its slowest. What was sent
/// to the guest in that time includes a burst, and what a sender that was late itself made up for.
/// No machine is too slow for this: who waits for a CPU makes the gaps longer.
std::uint64_t frames_unheard(const Tally &up, const Tally &down, unsigned rate);

/// Frames that were under way at one moment, at most: as many as were sent in the time that the
/// slowest of the flow took, and a burst.
std::uint64_t frames_in_flight(const Tally &, unsigned rate);

/// Both ends on one machine.
class Flow {
  public:
    Flow(const Netns &from, const Netns &to, const FlowSpec &spec);
    /// Where the ends differ in more than their namespace (the device a multicast group is on).
    Flow(const Netns &from, const FlowSpec &send, const Netns &to, const FlowSpec &receive);

    void start() { sender_.start(); }
    void stop() { sender_.stop(); }
    std::uint64_t mark() const { return sender_.next(); }
    /// What became of the numbers sent since `mark`; settled, see above.
    Tally since(std::uint64_t mark,
                std::chrono::milliseconds patience = std::chrono::milliseconds(200)) const;
    Tally between(std::uint64_t from, std::uint64_t to,
                  std::chrono::milliseconds patience = std::chrono::milliseconds(200)) const;

    Sender &sender() { return sender_; }
    const Sender &sender() const { return sender_; }
    const Receiver &receiver() const { return receiver_; }

  private:
    Receiver receiver_; // first: it listens before anything is sent
    Sender sender_;
};

} // namespace hitless::testbed
