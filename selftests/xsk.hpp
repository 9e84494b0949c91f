// SPDX-License-Identifier: BSD-2-Clause
//
// An AF_XDP socket that counts: the simplest userspace driver. Copy mode, queue 0, libxdp's own
// program on the device. It takes every frame; the stack behind it sees none.
#pragma once

#include <cstdint>
#include <memory>

namespace hitless::selftest {

class XdpSocket {
  public:
    /// In the caller's network namespace. Throws Error.
    explicit XdpSocket(const char *ifname);
    ~XdpSocket();
    XdpSocket(XdpSocket &&) noexcept;

    void poll();                    ///< takes what has arrived
    std::uint64_t received() const; ///< UDP over IPv4; other frames are not counted

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace hitless::selftest
