// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/endpoint.hpp"

#include "loader/core/error.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <net/if.h>

namespace hitless::testbed {

Endpoint::Endpoint(const std::string &address, std::uint16_t port, const std::string &ifname) {
    auto &in4 = reinterpret_cast<sockaddr_in &>(storage_);
    auto &in6 = reinterpret_cast<sockaddr_in6 &>(storage_);
    if (inet_pton(AF_INET, address.c_str(), &in4.sin_addr) == 1) {
        in4.sin_family = AF_INET;
        in4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, address.c_str(), &in6.sin6_addr) == 1) {
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        const bool scoped =
            IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || IN6_IS_ADDR_MULTICAST(&in6.sin6_addr);
        if (scoped && !ifname.empty()) in6.sin6_scope_id = if_nametoindex(ifname.c_str());
    } else {
        throw Error(EINVAL, "read address '" + address + "'", "use a numeric IPv4 or IPv6 address");
    }
}

Endpoint Endpoint::any(int family) {
    Endpoint endpoint;
    endpoint.storage_.ss_family = static_cast<sa_family_t>(family);
    return endpoint;
}

bool Endpoint::multicast() const {
    return family() == AF_INET ? IN_MULTICAST(ntohl(v4().s_addr)) : IN6_IS_ADDR_MULTICAST(&v6());
}

Fd open_socket(int family, int type) {
    Fd socket(::socket(family, type | SOCK_CLOEXEC, 0));
    if (!socket) throw Error(errno, "open a socket");
    if (family == AF_INET)
        set_option(socket, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
    else
        set_option(socket, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND");
    return socket;
}

void set_option(const Fd &socket, int level, int option, int value, const char *what) {
    if (setsockopt(socket.get(), level, option, &value, sizeof value) != 0)
        throw Error(errno, std::string("set socket option ") + what);
}

void grow_buffer(const Fd &socket, int force_option, int plain_option, int bytes) {
    if (setsockopt(socket.get(), SOL_SOCKET, force_option, &bytes, sizeof bytes) != 0)
        set_option(socket, SOL_SOCKET, plain_option, bytes, "buffer size");
}

void bind_to(const Fd &socket, const Endpoint &address, const std::string &shown) {
    if (bind(socket.get(), address.get(), address.size()) != 0)
        throw Error(errno, "bind to " + shown);
}

} // namespace hitless::testbed
