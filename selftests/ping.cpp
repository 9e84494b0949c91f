// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/ping.hpp"

#include "loader/core/error.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <cstring>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

namespace hitless::selftest {

using namespace testbed;

namespace {

std::uint16_t checksum(const void *data, std::size_t size) {
    const auto *bytes = static_cast<const std::uint8_t *>(data);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons(static_cast<std::uint16_t>(~sum));
}

} // namespace

bool ping(const Netns &from, const std::string &address, std::chrono::milliseconds patience) {
    const Endpoint to(address, 0);
    const bool v6 = to.family() == AF_INET6;
    const int protocol = v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    const Fd socket = in_netns(from, [&] {
        return Fd(::socket(to.family(), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    });
    if (!socket) throw Error(errno, "open a raw socket", "run as root");
    // ICMP and ICMPv6 echoes look alike but for the type; the kernel sums up the latter's checksum.
    icmphdr echo{};
    echo.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    echo.un.echo.id = htons(0x484c);
    static std::uint16_t sequence = 0;
    echo.un.echo.sequence = htons(++sequence);
    if (!v6) echo.checksum = checksum(&echo, sizeof echo);
    if (sendto(socket.get(), &echo, sizeof echo, 0, to.get(), to.size()) < 0)
        throw Error(errno, "ping " + address);
    return until(
        [&] {
            std::uint8_t packet[512];
            ssize_t size = 0;
            while ((size = recv(socket.get(), packet, sizeof packet, 0)) > 0) {
                const std::size_t header = v6 ? 0 : static_cast<std::size_t>(packet[0] & 15) * 4;
                icmphdr reply{};
                if (static_cast<std::size_t>(size) < header + sizeof reply) continue;
                std::memcpy(&reply, packet + header, sizeof reply);
                if (reply.type == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
                    reply.un.echo.id == echo.un.echo.id &&
                    reply.un.echo.sequence == echo.un.echo.sequence)
                    return true;
            }
            return false;
        },
        patience);
}

} // namespace hitless::selftest
