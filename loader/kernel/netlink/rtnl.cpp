// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/decode.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>

namespace hitless {
namespace {

// NLMSG_GOODSIZE is a page; a dump of links with VF information needs more.
constexpr size_t buffer_size = 1 << 16;
// 1,000 link events of about 1.5 kB before the kernel drops one.
constexpr int monitor_buffer = 2 << 20;

MnlSocket open_route_socket(int flags) {
    MnlSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags));
    if (!socket) throw Error(errno, "open a netlink socket");
    return socket;
}

void bind_groups(mnl_socket *socket, unsigned groups) {
    if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
        throw Error(errno, "bind a netlink socket");
}

} // namespace

void CloseMnl::operator()(mnl_socket *socket) const {
    mnl_socket_close(socket);
}

Rtnl::Rtnl() : socket_(open_route_socket(0)) {
    bind_groups(socket_.get(), 0);
}

void Rtnl::check_strictly() {
    int yes = 1;
    mnl_socket_setsockopt(socket_.get(), NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
}

/// The kernel answers a request while it takes it, and goes on with a dump at each receive: what is
/// left of an answer is here, and until it is read there is no other dump.
void Rtnl::forget_answer() {
    char some = 0;
    auto read = [&] {
        return recv(mnl_socket_get_fd(socket_.get()), &some, sizeof(some), MSG_DONTWAIT) >= 0;
    };
    while (unread_)
        unread_ = read() || errno == ENOBUFS;
}

void Rtnl::send(nlmsghdr *message) {
    forget_answer();
    message->nlmsg_seq = ++seq_;
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0)
        throw Error(errno, "send a netlink request");
    unread_ = true;
}

int Rtnl::transact(nlmsghdr *message, const std::function<void(const nlmsghdr *)> &each) {
    send(message);
    auto visit = [](const nlmsghdr *part, void *fn) {
        (*static_cast<const std::function<void(const nlmsghdr *)> *>(fn))(part);
        return MNL_CB_OK;
    };
    std::vector<char> buffer(buffer_size);
    while (true) {
        ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (size < 0) return errno;
        int more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), seq_,
                              mnl_socket_get_portid(socket_.get()), visit,
                              const_cast<void *>(static_cast<const void *>(&each)));
        if (more < 0) return errno;
        bool dump_or_ack = message->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK);
        if (more == MNL_CB_STOP || !dump_or_ack) {
            unread_ = false;
            return 0;
        }
    }
}

std::vector<Link> Rtnl::links() {
    std::vector<Link> out;
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, NLM_F_DUMP, Ifindex::none);
    if (int error = dump(request, out, decode_link)) throw Error(error, "list the network devices");
    return out;
}

std::optional<Link> Rtnl::link(Ifindex index) {
    std::optional<Link> out;
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, index);
    int error = transact(request, [&](const nlmsghdr *m) { out = decode_link(m); });
    if (error && error != ENODEV)
        throw Error(error, fmt::format("look up network device {}", number(index)));
    return out;
}

std::optional<Link> Rtnl::link(std::string_view name) {
    std::optional<Link> out;
    if (name.empty() || name.size() >= IFNAMSIZ) return out;
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, Ifindex::none);
    mnl_attr_put_strz(request, IFLA_IFNAME, std::string(name).c_str());
    int error = transact(request, [&](const nlmsghdr *m) { out = decode_link(m); });
    if (error && error != ENODEV) throw Error(error, fmt::format("look up {}", name));
    return out;
}

void Rtnl::change(Ifindex index, std::string_view shown, const LinkChange &change) {
    char buffer[512];
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, index);
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_get_payload(request));
    auto flag = [info](std::optional<bool> on, unsigned bit) {
        if (!on) return;
        info->ifi_change |= bit;
        info->ifi_flags |= *on ? bit : 0;
    };
    flag(change.up, IFF_UP);
    flag(change.promisc, IFF_PROMISC);
    flag(change.allmulti, IFF_ALLMULTI);
    if (change.mac)
        mnl_attr_put(request, IFLA_ADDRESS, change.mac->bytes.size(), change.mac->bytes.data());
    if (change.tx_queue_len) mnl_attr_put_u32(request, IFLA_TXQLEN, *change.tx_queue_len);
    if (change.mtu) mnl_attr_put_u32(request, IFLA_MTU, *change.mtu);
    if (change.arp_ignore) {
        nlattr *spec = mnl_attr_nest_start(request, IFLA_AF_SPEC);
        nlattr *inet = mnl_attr_nest_start(request, AF_INET);
        nlattr *conf = mnl_attr_nest_start(request, IFLA_INET_CONF);
        mnl_attr_put_u32(request, IPV4_DEVCONF_ARP_IGNORE, *change.arp_ignore);
        mnl_attr_nest_end(request, conf);
        mnl_attr_nest_end(request, inet);
        mnl_attr_nest_end(request, spec);
    }
    if (change.addr_gen_mode) {
        nlattr *spec = mnl_attr_nest_start(request, IFLA_AF_SPEC);
        nlattr *inet6 = mnl_attr_nest_start(request, AF_INET6);
        mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, *change.addr_gen_mode);
        mnl_attr_nest_end(request, inet6);
        mnl_attr_nest_end(request, spec);
    }
    if (int error = transact(request, [](const nlmsghdr *) {}))
        throw Error(error, fmt::format("configure {}", shown),
                    error == EPERM ? "run as root, or with CAP_NET_ADMIN" : "");
}

bool Rtnl::change_addr_gen_mode(const Link &link, uint8_t mode) {
    try {
        change(link.index, link.name, {.addr_gen_mode = mode});
    } catch (const Error &error) {
        if (error.code() != EAFNOSUPPORT) throw;
        return false;
    }
    return true;
}

/// Where frames for everywhere else go; asked for by a documentation address (RFC 5737, 3849), so
/// that a table of a million routes is not read.
std::optional<Address> Rtnl::gateway(Ifindex index, bool six) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETROUTE;
    request->nlmsg_flags = NLM_F_REQUEST;
    auto *route = static_cast<rtmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
    route->rtm_family = six ? AF_INET6 : AF_INET;
    route->rtm_dst_len = six ? 128 : 32;
    constexpr uint8_t elsewhere4[] = {192, 0, 2, 1}, elsewhere6[16] = {0x20, 1, 0xd, 0xb8};
    mnl_attr_put(request, RTA_DST, six ? sizeof(elsewhere6) : sizeof(elsewhere4),
                 six ? elsewhere6 : elsewhere4);
    mnl_attr_put_u32(request, RTA_OIF, number(index));
    std::optional<Address> out;
    transact(request, [&](const nlmsghdr *m) { out = decode_gateway(m); }); // no route: none
    return out;
}

template <typename Decode>
std::vector<Neighbour> Rtnl::dump_neighbours(Ifindex index, Decode decode) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETNEIGH;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(ndmsg));    // both families
    mnl_attr_put_u32(request, NDA_IFINDEX, number(index)); // older kernels ignore it
    std::vector<Neighbour> out;
    int error = dump(request, out, [&](const nlmsghdr *m) { return decode(m, index); });
    if (error) throw Error(error, "list the neighbours");
    return out;
}

std::vector<Neighbour> Rtnl::unresolved_neighbours(Ifindex index) {
    return dump_neighbours(index, decode_unresolved);
}

std::vector<Neighbour> Rtnl::neighbours(Ifindex index) {
    std::vector<Neighbour> out = dump_neighbours(index, decode_neighbour);
    if (out.empty()) return out;
    for (bool six : {false, true})
        if (std::optional<Address> router = gateway(index, six))
            for (Neighbour &neighbour : out)
                neighbour.router |= neighbour.ip == *router;
    std::ranges::stable_sort(out, {}, [](const Neighbour &n) {
        return std::tuple(!n.permanent, !n.router, n.confirmed);
    });
    return out;
}

std::vector<Address> Rtnl::addresses(Ifindex index) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETADDR;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg)); // both families
    std::vector<Address> out;
    int error = dump(request, out, [index](const nlmsghdr *m) { return decode_address(m, index); });
    if (error) throw Error(error, "list the addresses");
    return out;
}

LinkMonitor::LinkMonitor() : socket_(open_route_socket(SOCK_NONBLOCK)) {
    int fd = mnl_socket_get_fd(socket_.get());
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &monitor_buffer, sizeof(monitor_buffer));
    bind_groups(socket_.get(), RTMGRP_LINK | RTMGRP_TC | 1U << (RTNLGRP_IPV4_NETCONF - 1) |
                                   1U << (RTNLGRP_IPV6_NETCONF - 1));
}

int LinkMonitor::fd() const {
    return mnl_socket_get_fd(socket_.get());
}

bool LinkMonitor::drain(const Handler &handler) {
    std::vector<char> buffer(buffer_size);
    while (true) {
        ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EAGAIN) return true;
        if (size < 0 && (errno == ENOBUFS || errno == ENOSPC)) return false;
        if (size < 0) throw Error(errno, "read link events");
        decode_links(buffer.data(), static_cast<size_t>(size), handler.changed, handler.gone,
                     handler.tc, handler.forwarding);
    }
}

} // namespace hitless
