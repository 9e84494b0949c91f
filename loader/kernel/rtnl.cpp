// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/rtnl.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

namespace hitless {
namespace {

// NLMSG_GOODSIZE is a page; a dump of links with VF information needs more.
constexpr size_t buffer_size = 1 << 16;
// 1,000 link events of about 1.5 kB before the kernel drops one.
constexpr int monitor_buffer = 2 << 20;
constexpr int dump_tries = 5;

// libmnl's own loops rely on C's conversion from void *.
template <typename Visit>
void each(const nlattr *attr, const char *end, Visit visit) {
    auto left = [&] { return static_cast<int>(end - reinterpret_cast<const char *>(attr)); };
    for (; mnl_attr_ok(attr, left()); attr = mnl_attr_next(attr))
        visit(attr);
}

template <typename Visit>
void each_nested(const nlattr *nest, Visit visit) {
    const auto *first = static_cast<const char *>(mnl_attr_get_payload(nest));
    each(reinterpret_cast<const nlattr *>(first), first + mnl_attr_get_payload_len(nest), visit);
}

/// The struct has grown and is not aligned; what is too short tells nothing.
void parse_stats(const nlattr *attr, Link &link) {
    rtnl_link_stats64 stats{};
    if (mnl_attr_get_payload_len(attr) < offsetof(rtnl_link_stats64, multicast)) return;
    memcpy(&stats, mnl_attr_get_payload(attr), offsetof(rtnl_link_stats64, multicast));
    link.tx_packets = stats.tx_packets;
    link.tx_dropped = stats.tx_dropped;
}

void parse_linkinfo(const nlattr *info, Link &link) {
    each_nested(info, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) link.kind = mnl_attr_get_str(attr);
    });
}

void parse_af_spec(const nlattr *spec, Link &link) {
    each_nested(spec, [&](const nlattr *family) {
        if (mnl_attr_get_type(family) != AF_INET6) return;
        each_nested(family, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE)
                link.addr_gen_mode = mnl_attr_get_u8(attr);
        });
    });
}

Mac parse_mac(const nlattr *attr) {
    Mac mac;
    if (mnl_attr_get_payload_len(attr) == mac.bytes.size())
        memcpy(mac.bytes.data(), mnl_attr_get_payload(attr), mac.bytes.size());
    return mac;
}

struct Parent {
    std::string bus, name;
};

void parse_attr(const nlattr *attr, Link &link, Parent &parent) {
    switch (mnl_attr_get_type(attr)) {
    case IFLA_IFNAME: link.name = mnl_attr_get_str(attr); break;
    case IFLA_ADDRESS: link.mac = parse_mac(attr); break;
    case IFLA_PERM_ADDRESS: link.perm_mac = parse_mac(attr); break;
    case IFLA_STATS64: parse_stats(attr, link); break;
    case IFLA_MTU: link.mtu = mnl_attr_get_u32(attr); break;
    case IFLA_MASTER: link.master = Ifindex{mnl_attr_get_u32(attr)}; break;
    // Not IFF_RUNNING: that follows linkwatch, which may be a second late.
    case IFLA_CARRIER: link.carrier = mnl_attr_get_u8(attr); break;
    case IFLA_LINKINFO: parse_linkinfo(attr, link); break;
    case IFLA_AF_SPEC: parse_af_spec(attr, link); break;
    case IFLA_PARENT_DEV_BUS_NAME: parent.bus = mnl_attr_get_str(attr); break;
    case IFLA_PARENT_DEV_NAME: parent.name = mnl_attr_get_str(attr); break;
    default: break;
    }
}

Link parse_link(const nlmsghdr *message) {
    auto *info = static_cast<const ifinfomsg *>(mnl_nlmsg_get_payload(message));
    Link link;
    Parent parent;
    link.index = Ifindex(info->ifi_index);
    link.up = info->ifi_flags & IFF_UP;
    link.loopback = info->ifi_flags & IFF_LOOPBACK;
    link.ethernet = info->ifi_type == ARPHRD_ETHER;
    const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(message));
    each(static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(message, sizeof(*info))), end,
         [&](const nlattr *attr) { parse_attr(attr, link, parent); });
    if (!parent.name.empty()) link.bus = parent.bus + "/" + parent.name;
    return link;
}

/// The program id of a bpf filter; 0 for filters of other kinds.
uint32_t bpf_program_of(const nlmsghdr *message) {
    uint32_t id = 0;
    const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(message));
    each(static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(message, sizeof(tcmsg))), end,
         [&](const nlattr *attr) {
             if (mnl_attr_get_type(attr) != TCA_OPTIONS) return;
             each_nested(attr, [&](const nlattr *option) {
                 if (mnl_attr_get_type(option) == TCA_BPF_ID) id = mnl_attr_get_u32(option);
             });
         });
    return id;
}

std::optional<Address> parse_address(const nlattr *attr) {
    Address out;
    size_t size = mnl_attr_get_payload_len(attr);
    if (size != 4 && size != out.bytes.size()) return std::nullopt;
    out.six = size != 4;
    memcpy(out.bytes.data(), mnl_attr_get_payload(attr), size);
    return out;
}

Neighbour parse_neighbour(const nlmsghdr *message) {
    Neighbour out;
    auto *info = static_cast<const ndmsg *>(mnl_nlmsg_get_payload(message));
    out.router = info->ndm_flags & NTF_ROUTER;
    const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(message));
    each(static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(message, sizeof(ndmsg))), end,
         [&](const nlattr *attr) {
             int type = mnl_attr_get_type(attr);
             if (type == NDA_LLADDR) out.mac = parse_mac(attr);
             if (type == NDA_DST) out.ip = parse_address(attr).value_or(out.ip);
             if (type == NDA_CACHEINFO && mnl_attr_get_payload_len(attr) >= sizeof(nda_cacheinfo))
                 out.confirmed =
                     static_cast<const nda_cacheinfo *>(mnl_attr_get_payload(attr))->ndm_confirmed;
         });
    return out;
}

nlmsghdr *link_request(char *buffer, uint16_t type, uint16_t flags, Ifindex index) {
    nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = static_cast<int>(number(index));
    return message;
}

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

void Rtnl::send(nlmsghdr *message) {
    message->nlmsg_seq = ++seq_;
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0)
        throw Error(errno, "send a netlink request");
}

/// Sends and reads the whole answer. Returns 0 or the kernel's errno, positive.
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
        if (more == MNL_CB_STOP || !dump_or_ack) return 0;
    }
}

std::vector<Link> Rtnl::links() {
    for (int tries = dump_tries;; tries--) {
        std::vector<Link> out;
        char buffer[256];
        nlmsghdr *request = link_request(buffer, RTM_GETLINK, NLM_F_DUMP, Ifindex::none);
        int error = transact(request, [&](const nlmsghdr *m) { out.push_back(parse_link(m)); });
        if (!error) return out;
        if (error != EINTR || tries == 0) throw Error(error, "list the network devices");
    }
}

std::optional<Link> Rtnl::link(Ifindex index) {
    std::optional<Link> out;
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, index);
    int error = transact(request, [&](const nlmsghdr *m) { out = parse_link(m); });
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
    int error = transact(request, [&](const nlmsghdr *m) { out = parse_link(m); });
    if (error && error != ENODEV) throw Error(error, fmt::format("look up {}", name));
    return out;
}

void Rtnl::change(Ifindex index, std::string_view shown, const LinkChange &change) {
    char buffer[512];
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, index);
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_get_payload(request));
    if (change.up) {
        info->ifi_change = IFF_UP;
        info->ifi_flags = *change.up ? IFF_UP : 0;
    }
    if (change.mtu) mnl_attr_put_u32(request, IFLA_MTU, *change.mtu);
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

/// Where IPv4 frames for everywhere else go; asked for by a documentation address (RFC 5737), so
/// that a table of a million routes is not read.
std::optional<Address> Rtnl::gateway(Ifindex index) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETROUTE;
    request->nlmsg_flags = NLM_F_REQUEST;
    auto *route = static_cast<rtmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
    route->rtm_family = AF_INET;
    route->rtm_dst_len = 32;
    constexpr uint8_t elsewhere[] = {192, 0, 2, 1};
    mnl_attr_put(request, RTA_DST, sizeof(elsewhere), elsewhere);
    mnl_attr_put_u32(request, RTA_OIF, number(index));
    std::optional<Address> out;
    transact(request, [&](const nlmsghdr *m) { // no route: no gateway
        const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(m));
        each(static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(m, sizeof(rtmsg))), end,
             [&](const nlattr *attr) {
                 if (mnl_attr_get_type(attr) == RTA_GATEWAY) out = parse_address(attr);
             });
    });
    return out;
}

std::vector<Neighbour> Rtnl::neighbours(Ifindex index) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETNEIGH;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(ndmsg));    // both families
    mnl_attr_put_u32(request, NDA_IFINDEX, number(index)); // older kernels ignore it
    std::vector<Neighbour> out;
    int error = transact(request, [&](const nlmsghdr *m) {
        auto *info = static_cast<const ndmsg *>(mnl_nlmsg_get_payload(m));
        constexpr unsigned known =
            NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
        if (info->ndm_ifindex != static_cast<int>(number(index)) || !(info->ndm_state & known) ||
            info->ndm_type != RTN_UNICAST)
            return;
        Neighbour found = parse_neighbour(m);
        if (!found.mac.empty()) out.push_back(found);
    });
    if (error) throw Error(error, "list the neighbours");
    if (out.empty()) return out;
    if (std::optional<Address> router = gateway(index))
        for (Neighbour &neighbour : out)
            neighbour.router |= neighbour.ip == *router;
    std::ranges::stable_sort(out, {},
                             [](const Neighbour &n) { return std::pair(!n.router, n.confirmed); });
    return out;
}

std::vector<Address> Rtnl::addresses(Ifindex index) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETADDR;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg)); // both families
    std::vector<Address> out;
    int error = transact(request, [&](const nlmsghdr *m) {
        auto *info = static_cast<const ifaddrmsg *>(mnl_nlmsg_get_payload(m));
        if (info->ifa_index != number(index) || info->ifa_flags & IFA_F_TENTATIVE) return;
        const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(m));
        std::optional<Address> found;
        each(static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(m, sizeof(ifaddrmsg))), end,
             [&](const nlattr *attr) {
                 int type = mnl_attr_get_type(attr);
                 // Of a point-to-point link, IFA_ADDRESS is the peer's.
                 if (type == IFA_LOCAL || (type == IFA_ADDRESS && !found))
                     found = parse_address(attr);
             });
        if (found) out.push_back(*found);
    });
    if (error) throw Error(error, "list the addresses");
    return out;
}

unsigned Rtnl::count_filters(Ifindex index, uint32_t parent, uint32_t except_program) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETTFILTER;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    auto *tc = static_cast<tcmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(tcmsg)));
    tc->tcm_ifindex = static_cast<int>(number(index));
    tc->tcm_parent = parent;
    unsigned found = 0;
    int error = transact(request, [&](const nlmsghdr *m) {
        auto *filter = static_cast<const tcmsg *>(mnl_nlmsg_get_payload(m));
        // Handle 0 is the head of a priority, not a filter.
        if (filter->tcm_handle && bpf_program_of(m) != except_program) found++;
    });
    if (error && error != EINVAL && error != ENODEV && error != ENOENT)
        throw Error(error, "list the traffic control filters");
    return found;
}

LinkMonitor::LinkMonitor() : socket_(open_route_socket(SOCK_NONBLOCK)) {
    int fd = mnl_socket_get_fd(socket_.get());
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &monitor_buffer, sizeof(monitor_buffer));
    bind_groups(socket_.get(), RTMGRP_LINK);
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
        int left = static_cast<int>(size);
        for (auto *m = reinterpret_cast<nlmsghdr *>(buffer.data()); mnl_nlmsg_ok(m, left);
             m = mnl_nlmsg_next(m, &left)) {
            if (m->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) continue;
            // AF_BRIDGE notifications of ports come through the same group.
            auto *info = static_cast<const ifinfomsg *>(mnl_nlmsg_get_payload(m));
            if (info->ifi_family != AF_UNSPEC) continue;
            if (m->nlmsg_type == RTM_NEWLINK) handler.changed(parse_link(m));
            if (m->nlmsg_type == RTM_DELLINK) handler.gone(Ifindex(info->ifi_index));
        }
    }
}

} // namespace hitless
