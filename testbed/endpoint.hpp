// SPDX-License-Identifier: BSD-2-Clause
//
// An IP address and port as the socket calls want them, and the few socket options set in more than
// one place. Numeric addresses only: the test bed has no resolver.
#pragma once

#include "loader/kernel/fd.hpp"

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

namespace hitless::testbed {

class Endpoint {
  public:
    /// `ifname` is the scope of IPv6 link-local and multicast addresses. Throws Error(EINVAL).
    Endpoint(const std::string &address, std::uint16_t port, const std::string &ifname = {});
    /// The wildcard address of a family, any port.
    static Endpoint any(int family);

    int family() const { return storage_.ss_family; }
    bool multicast() const;
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage_); }
    sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage_); }
    socklen_t size() const {
        return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    }
    const in_addr &v4() const { return reinterpret_cast<const sockaddr_in &>(storage_).sin_addr; }
    const in6_addr &v6() const {
        return reinterpret_cast<const sockaddr_in6 &>(storage_).sin6_addr;
    }

  private:
    Endpoint() = default;
    sockaddr_storage storage_{};
};

/// A close-on-exec socket that may bind addresses which are not there yet. Throws Error.
Fd open_socket(int family, int type);

/// setsockopt for an int. Throws Error naming `what`.
void set_option(const Fd &socket, int level, int option, int value, const char *what);

/// The buffer of `bytes`, beyond the system's limit where we may (CAP_NET_ADMIN), else up to it.
void grow_buffer(const Fd &socket, int force_option, int plain_option, int bytes);

void bind_to(const Fd &socket, const Endpoint &address, const std::string &shown); ///< throws Error

} // namespace hitless::testbed
