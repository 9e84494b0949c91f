// SPDX-License-Identifier: BSD-2-Clause
//
// Two tap devices joined by a thread that carries frames from one to the other, virtio-net headers
// and all: checksum and segmentation offload cross the cable unperformed, as they do between a
// guest and its host. The devices live as long as the object.
#pragma once

#include "loader/kernel/fd.hpp"
#include "testbed/netns.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

namespace hitless::testbed {

class TapCable {
  public:
    struct End {
        const Netns &netns;
        std::string ifname;
    };
    TapCable(const End &a, const End &b); ///< makes both devices, down; throws Error
    ~TapCable();                          ///< both devices are gone when it returns
    TapCable(const TapCable &) = delete;
    TapCable &operator=(const TapCable &) = delete;

    /// TUNSETCARRIER on both ends, as a NIC's driver would say. The cable is cut, too, and right
    /// then (TUNSETCARRIER may wait for others, and frames sent meanwhile would be no fault of the
    /// guest's): the kernel may take a second to act on lost carrier, and would go on sending.
    void carrier(bool on);
    /// End a's device hangs: it goes on taking frames, with its carrier up, and none leaves it.
    void stall(bool on);
    /// From now on, frames from end b reach end a that much later, in order.
    void delay_from_b(std::chrono::milliseconds by) {
        delay_ms_.store(static_cast<int>(by.count()), std::memory_order_release);
    }
    std::uint64_t carried() const { return carried_.load(std::memory_order_relaxed); }
    /// Frames that went into a cut cable, or that the far end would not take because it was down.
    std::uint64_t refused() const { return refused_from_a() + refused_from_b_.load(); }
    std::uint64_t refused_from_a() const { return refused_from_a_.load(); }
    /// Frames that found the queue of a cable's end full, of all cables that this process had:
    /// their threads were not given enough of a CPU.
    static std::uint64_t overflowed();

  private:
    using Clock = std::chrono::steady_clock;
    struct Delayed {
        Clock::time_point due;
        std::vector<std::uint8_t> frame;
    };

    void run();
    void carry_on();
    int patience_ms() const;
    void carry(int from, int to, std::atomic<std::uint64_t> &refused);
    void deliver(int to, const std::uint8_t *frame, std::size_t length,
                 std::atomic<std::uint64_t> &refused);
    void deliver_delayed();

    Fd a_, b_, wake_;
    std::vector<std::uint8_t> frame_ = std::vector<std::uint8_t>(65'536 + 256);
    std::deque<Delayed> delayed_; ///< on their way from b to a; the thread's own
    std::atomic<int> delay_ms_{0};
    std::atomic<bool> whole_{true}, stalled_{false}, ends_{false};
    std::atomic<std::uint64_t> carried_{0};
    std::atomic<std::uint64_t> refused_from_a_{0}, refused_from_b_{0};
    std::thread thread_;
};

} // namespace hitless::testbed
