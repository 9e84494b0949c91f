// SPDX-License-Identifier: BSD-2-Clause
//
// A pair of NICs on veth, in a namespace of its own: "pri" and "sby" share one MAC; "pri_far" and
// "sby_far" are the ports of the switch behind them. Not for traffic figures: testbed/ is.
//
//   Bed bed; // the caller is inside until it goes
//   ip("link set pri_far down"); // the primary loses its carrier
#pragma once

#include "loader/kernel/fd.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace hitless::test {

using Mac = std::array<uint8_t, 6>;

inline constexpr Mac own_mac = {0x02, 0, 0, 0, 0, 0x01};
inline constexpr Mac peer_mac = {0x02, 0, 0, 0, 0, 0x99};
inline constexpr Mac broadcast_mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr Mac multicast_mac = {0x33, 0x33, 0, 0, 0, 0x01};

/// A network namespace. Destroying the last holder removes it and everything in it.
class Netns {
  public:
    /// A new one; the caller stays where it was.
    static Netns make();
    static Netns current();

    /// `ip` arguments name it by this path.
    std::string path() const;
    void enter() const;

  private:
    explicit Netns(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

/// Runs a task of the calling thread inside `there` and comes back.
template <typename F>
auto inside(const Netns &there, F task) {
    struct Return {
        Netns home = Netns::current();
        ~Return() { home.enter(); }
    } back;
    there.enter();
    return task();
}

/// Runs `ip ARGUMENTS` in the current namespace; throws with the command when it fails.
void ip(const std::string &arguments);

/// Runs the lines of `script` in one `ip -batch`.
void ip_batch(const std::string &script);

uint32_t ifindex_of(const std::string &ifname);

class Bed {
  public:
    Bed();
    ~Bed();

    uint32_t primary = 0; // ifindex of "pri"
    uint32_t standby = 0; // ifindex of "sby"

  private:
    Netns before_;
};

} // namespace hitless::test
