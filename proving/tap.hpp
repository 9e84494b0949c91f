// SPDX-License-Identifier: BSD-2-Clause
//
// Two tap devices joined by a thread that carries frames from one to the other, virtio-net headers
// and all: checksum and segmentation offload cross the cable unperformed, as they do between a
// guest and its host. The devices live as long as the object.
#pragma once

#include "loader/kernel/fd.hpp"
#include "proving/netns.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace hitless::proving {

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
    std::uint64_t carried() const { return carried_.load(std::memory_order_relaxed); }
    /// Frames that went into a cut cable, or that the far end would not take because it was down.
    std::uint64_t refused() const { return refused_from_a() + refused_from_b_.load(); }
    std::uint64_t refused_from_a() const { return refused_from_a_.load(); }

  private:
    void run();
    void carry(int from, int to, std::atomic<std::uint64_t> &refused);

    Fd a_, b_, wake_;
    std::vector<std::uint8_t> frame_ = std::vector<std::uint8_t>(65'536 + 256);
    std::atomic<bool> whole_{true}, stalled_{false}, ends_{false};
    std::atomic<std::uint64_t> carried_{0};
    std::atomic<std::uint64_t> refused_from_a_{0}, refused_from_b_{0};
    std::thread thread_;
};

} // namespace hitless::proving
