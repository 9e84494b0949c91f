// SPDX-License-Identifier: BSD-2-Clause
//
// One NIC of the guest together with the switch port it is plugged into, and everything that can
// happen to the two. Directions are the guest's: rx is what the guest receives.
//
//   nic.add(); nic.admin(true); ... nic.carrier(false); ... nic.remove();
//
// All calls are synchronous: when one returns, the kernel has done it. They throw Error.
#pragma once

#include "testbed/netns.hpp"
#include "testbed/tap.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace hitless::testbed {

enum class NicKind {
    veth, ///< cheap; but the kernel announces its carrier at once, which real NICs do not enjoy
    tap   ///< as real as it gets without hardware: queued, rate-limited carrier events, GSO by vnet
          ///< header
};
enum class Direction { rx, tx, both };

struct NicSpec {
    NicKind kind = NicKind::veth;
    std::string ifname{}; ///< in the guest; the switch port is called "sw-<ifname>"
    std::string mac{};
    unsigned mtu = 1500;
};

/// Frames as the guest's device counts them.
struct NicCounters {
    std::uint64_t rx = 0;
    std::uint64_t tx = 0;
};

class Nic {
  public:
    /// Nothing exists before add(). Both namespaces must outlive the object.
    Nic(const Netns &guest, const Netns &sw, NicSpec spec);
    ~Nic(); ///< removes what is there; failures are ignored

    /// Plugs it in as a hypervisor would: with its MAC, administratively down, in the guest's
    /// namespace; the switch port is up and forwarding.
    void add();
    /// Surprise removal, wherever it has been moved: the device and its switch port are gone.
    void remove();
    bool present() const { return where_ != nullptr; }
    /// The namespace it is in, as far as this object moved it. Throws Error(ENODEV) when absent.
    const Netns &where() const;

    /// Somebody may move it from the guest's namespace to another one, whose name this tells.
    void may_hide(std::function<std::string()> where) { hiding_ = std::move(where); }

    /// From now on frames leave the switch's port as they leave hardware, with checksum and tag in
    /// them, and a veth's port takes frames that XDP sends it.
    void finish_frames();

    void admin(bool up);           ///< `ip link set up/down` on the guest's side
    void carrier(bool on);         ///< the cable; both ends see it
    void move_to(const Netns &ns); ///< `ns` must outlive the NIC's stay there
    /// Silently drops frames between NIC and switch while the carrier stays up.
    void blackhole(Direction direction, bool on);
    /// The same for a part of the frames, chosen at random: 0 to 100.
    void lose(Direction direction, unsigned percent);
    /// The device completes no transmission any more, with its carrier up. Taps only: throws
    /// Error(EOPNOTSUPP).
    void hang(bool on);
    /// What the guest receives by it arrives that much later. Taps only, likewise.
    void delay(std::chrono::milliseconds by);
    /// Whether the switch sends broadcast and multicast out of this port.
    void flood(bool on);
    void mtu(unsigned bytes); ///< both ends
    void mac(const std::string &address);
    void
    rename(const std::string &ifname); ///< the guest's side; the device must be down on old kernels

    const std::string &ifname() const { return spec_.ifname; }
    const std::string &port() const { return port_; } ///< its name in the switch's namespace
    unsigned ifindex() const;
    /// Frames that the guest's device had queued when its cable was cut, and that died with it: 0
    /// for a veth, which has no queue.
    std::uint64_t swallowed() const;
    NicCounters counters() const;

  private:
    void open_port();
    void add_veth();
    void add_tap();
    void drop(const char *hook, unsigned &now, unsigned percent);
    void link_set(const std::string &what);
    void finish_port();

    const Netns &guest_;
    const Netns &switch_;
    const Netns *where_ = nullptr; // null = absent
    std::function<std::string()> hiding_;
    mutable std::unique_ptr<Netns> hidden_;
    NicSpec spec_;
    std::string port_;
    bool finished_ = false;              // frames, by the port
    unsigned lost_rx_ = 0, lost_tx_ = 0; // percent
    std::unique_ptr<TapCable> cable_;    // tap only
};

} // namespace hitless::testbed
