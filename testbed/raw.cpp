// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/raw.hpp"

#include "loader/core/error.hpp"
#include "testbed/endpoint.hpp"
#include "testbed/until.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>

namespace hitless::testbed {
namespace {

std::optional<CapturedFrame::Tag> tag_of(msghdr &header) {
    for (cmsghdr *c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
        tpacket_auxdata aux{};
        std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return {};
        const bool named = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
        return CapturedFrame::Tag{
            static_cast<std::uint16_t>(named ? aux.tp_vlan_tpid : ETH_P_8021Q), aux.tp_vlan_tci};
    }
    return {};
}

} // namespace

PacketSocket::PacketSocket(const std::string &ifname, std::uint16_t ethertype, bool sees_sent)
    // Protocol 0 at first: nothing is received before the socket knows its device.
    : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), ifname_(ifname) {
    if (!socket_) throw Error(errno, "open a packet socket", "run as root");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ethertype == 0 ? ETH_P_ALL : ethertype);
    address.sll_ifindex = static_cast<int>(if_nametoindex(ifname.c_str()));
    if (address.sll_ifindex == 0) throw Error(errno, "open a packet socket on " + ifname);
    grow_buffer(socket_, SO_RCVBUFFORCE, SO_RCVBUF, 32 << 20);
    set_option(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, !sees_sent, "PACKET_IGNORE_OUTGOING");
    set_option(socket_, SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
    if (bind(socket_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
        throw Error(errno, "open a packet socket on " + ifname);
}

void PacketSocket::send(std::span<const std::uint8_t> frame) {
    if (::send(socket_.get(), frame.data(), frame.size(), 0) < 0)
        throw Error(errno,
                    fmt::format("send a frame of {} bytes out of {}", frame.size(), ifname_));
}

void PacketSocket::bypass_tc() {
    set_option(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
}

std::optional<CapturedFrame> PacketSocket::next(std::chrono::milliseconds patience) {
    pollfd watched{socket_.get(), POLLIN, 0};
    if (poll(&watched, 1, static_cast<int>(patience.count())) <= 0) return {};
    CapturedFrame frame;
    frame.bytes.resize(65'536 + 64);
    iovec vector{frame.bytes.data(), frame.bytes.size()};
    alignas(cmsghdr) char control[128];
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t length = recvmsg(socket_.get(), &header, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) return {};
    if (length < 0) throw Error(errno, "capture frames on " + ifname_);
    frame.bytes.resize(static_cast<std::size_t>(length));
    frame.vlan = tag_of(header);
    frame.time_ns = now_ns();
    return frame;
}

std::uint64_t PacketSocket::drops() {
    tpacket_stats since_last{}; // the kernel starts anew from zero at each call
    socklen_t size = sizeof since_last;
    if (getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &since_last, &size) == 0)
        drops_ += since_last.tp_drops;
    return drops_;
}

std::vector<std::uint8_t> from_hex(std::string_view text) {
    std::string digits;
    for (const char c : text)
        if (c != ':' && std::isspace(static_cast<unsigned char>(c)) == 0) digits += c;
    const Error bad(EINVAL, fmt::format("read the frame '{}'", text), "use pairs of hex digits");
    if (digits.size() % 2 != 0) throw bad;
    std::vector<std::uint8_t> bytes(digits.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char *pair = &digits[2 * i];
        const auto [end, error] = std::from_chars(pair, pair + 2, bytes[i], 16);
        if (error != std::errc{} || end != pair + 2) throw bad;
    }
    return bytes;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (const auto byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

} // namespace hitless::testbed
