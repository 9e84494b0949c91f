// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/decode.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <linux/amt.h>
#include <linux/gen_stats.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <utility>

namespace hitless {
namespace {

/// What stands `at` bytes into an attribute, which need not be aligned there; all zero when it ends
/// before.
template <typename T>
T value(const nlattr *attr, size_t at = 0) {
    T out{};
    if (mnl_attr_get_payload_len(attr) >= at + sizeof(T))
        memcpy(&out, static_cast<const char *>(mnl_attr_get_payload(attr)) + at, sizeof(T));
    return out;
}

/// Up to the first zero, which need not be there.
std::string text(const nlattr *attr) {
    const auto *first = static_cast<const char *>(mnl_attr_get_payload(attr));
    return {first, strnlen(first, mnl_attr_get_payload_len(attr))};
}

std::string hex(const nlattr *attr) {
    std::string out;
    const auto *bytes = static_cast<const uint8_t *>(mnl_attr_get_payload(attr));
    for (uint16_t i = 0; i < mnl_attr_get_payload_len(attr); i++)
        out += fmt::format("{:02x}", bytes[i]);
    return out;
}

/// Empty for addresses of another length: no Ethernet.
Mac mac(const nlattr *attr) {
    bool fits = mnl_attr_get_payload_len(attr) == sizeof(Mac::bytes);
    return fits ? Mac{value<decltype(Mac::bytes)>(attr)} : Mac{};
}

std::optional<Address> address(const nlattr *attr) {
    Address out;
    size_t size = mnl_attr_get_payload_len(attr);
    if (size != 4 && size != out.bytes.size()) return std::nullopt;
    out.six = size != 4;
    memcpy(out.bytes.data(), mnl_attr_get_payload(attr), size);
    return out;
}

VlanTag vlan_tag(const nlattr *data) {
    VlanTag out;
    each_nested(data, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == IFLA_VLAN_ID) out.id = value<uint16_t>(attr);
        if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
            out.protocol = ntohs(value<uint16_t>(attr));
    });
    return out;
}

/// Only the data of these kinds tells what they stand on; of all others IFLA_LINK does.
Ifindex lower_in_data(const std::string &kind, const nlattr *data) {
    const int where = kind == "vxlan" ? IFLA_VXLAN_LINK : kind == "amt" ? IFLA_AMT_LINK : 0;
    Ifindex out = Ifindex::none;
    each_nested(data, [&](const nlattr *attr) {
        if (where && mnl_attr_get_type(attr) == where) out = Ifindex{value<uint32_t>(attr)};
    });
    return out;
}

/// The kind stands before the data that only it can tell.
void read_linkinfo(const nlattr *info, Link &link) {
    each_nested(info, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) link.kind = text(attr);
        if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND) link.master_kind = text(attr);
        if (mnl_attr_get_type(attr) == IFLA_INFO_DATA && link.kind == "vlan")
            link.vlan = vlan_tag(attr);
        if (mnl_attr_get_type(attr) != IFLA_INFO_DATA) return;
        Ifindex lower = lower_in_data(link.kind, attr);
        if (lower != Ifindex::none) link.lower = lower;
    });
}

// One number a setting, from 1 on.
constexpr size_t arp_ignore_at = (IPV4_DEVCONF_ARP_IGNORE - 1) * sizeof(uint32_t),
                 forwarding_at = (IPV4_DEVCONF_FORWARDING - 1) * sizeof(uint32_t),
                 forwarding6_at = DEVCONF_FORWARDING * sizeof(uint32_t); // these from 0 on

void read_af_spec(const nlattr *spec, Link &link) {
    each_nested(spec, [&](const nlattr *family) {
        uint16_t of = mnl_attr_get_type(family);
        each_nested(family, [&](const nlattr *attr) {
            if (of == AF_INET && mnl_attr_get_type(attr) == IFLA_INET_CONF) {
                link.arp_ignore = static_cast<uint8_t>(value<uint32_t>(attr, arp_ignore_at));
                link.forwards |= value<uint32_t>(attr, forwarding_at) != 0;
            }
            if (of == AF_INET6 && mnl_attr_get_type(attr) == IFLA_INET6_CONF)
                link.forwards |= value<uint32_t>(attr, forwarding6_at) != 0;
            if (of == AF_INET6 && mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE) {
                link.addr_gen_mode = value<uint8_t>(attr);
                link.has_ipv6 = true;
            }
        });
    });
}

struct Parent {
    std::string bus, name;
    bool lower_elsewhere = false; ///< IFLA_LINK is of another namespace
};

void read_attr(const nlattr *attr, Link &link, Parent &parent) {
    switch (mnl_attr_get_type(attr)) {
    case IFLA_IFNAME: link.name = text(attr); break;
    case IFLA_ADDRESS: link.mac = mac(attr); break;
    case IFLA_PERM_ADDRESS: link.perm_mac = mac(attr); break;
    case IFLA_MTU: link.mtu = value<uint32_t>(attr); break;
    case IFLA_LINK: link.lower = Ifindex{value<uint32_t>(attr)}; break;
    case IFLA_LINK_NETNSID: parent.lower_elsewhere = true; break;
    case IFLA_MASTER: link.master = Ifindex{value<uint32_t>(attr)}; break;
    // Not IFF_RUNNING: that follows linkwatch, which may be a second late.
    case IFLA_CARRIER: link.carrier = value<uint8_t>(attr); break;
    case IFLA_TXQLEN: link.tx_queue_len = value<uint32_t>(attr); break;
    case IFLA_PROMISCUITY: link.promiscuity = value<uint32_t>(attr); break;
    case IFLA_PHYS_PORT_ID: link.port_id = hex(attr); break;
    case IFLA_PHYS_SWITCH_ID: link.switch_id = hex(attr); break;
    case IFLA_STATS64: // the struct has grown
        link.tx_packets = value<uint64_t>(attr, offsetof(rtnl_link_stats64, tx_packets));
        link.rx_packets = value<uint64_t>(attr, offsetof(rtnl_link_stats64, rx_packets));
        link.tx_dropped = value<uint64_t>(attr, offsetof(rtnl_link_stats64, tx_dropped));
        break;
    case IFLA_LINKINFO: read_linkinfo(attr, link); break;
    case IFLA_AF_SPEC: read_af_spec(attr, link); break;
    case IFLA_PARENT_DEV_BUS_NAME: parent.bus = text(attr); break;
    case IFLA_PARENT_DEV_NAME: parent.name = text(attr); break;
    default: break;
    }
}

std::optional<Neighbour> decode_in_state(const nlmsghdr *message, Ifindex index, unsigned states) {
    const auto *info = header<ndmsg>(message);
    if (!info || info->ndm_ifindex != static_cast<int>(number(index)) ||
        !(info->ndm_state & states) || info->ndm_type != RTN_UNICAST)
        return std::nullopt;
    Neighbour out;
    out.router = info->ndm_flags & NTF_ROUTER;
    out.permanent = info->ndm_state & NUD_PERMANENT;
    each_of<ndmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case NDA_LLADDR: out.mac = mac(attr); break;
        case NDA_DST: out.ip = address(attr).value_or(out.ip); break;
        case NDA_CACHEINFO: out.confirmed = value<nda_cacheinfo>(attr).ndm_confirmed; break;
        default: break;
        }
    });
    return out;
}

} // namespace

std::optional<Link> decode_link(const nlmsghdr *message) {
    const auto *info = header<ifinfomsg>(message);
    if (!info) return std::nullopt;
    Link link;
    Parent parent;
    link.index = Ifindex(info->ifi_index);
    link.up = info->ifi_flags & IFF_UP;
    link.loopback = info->ifi_flags & IFF_LOOPBACK;
    link.promisc = info->ifi_flags & IFF_PROMISC;
    link.allmulti = info->ifi_flags & IFF_ALLMULTI;
    link.ethernet = info->ifi_type == ARPHRD_ETHER;
    each_of<ifinfomsg>(message, [&](const nlattr *attr) { read_attr(attr, link, parent); });
    if (parent.lower_elsewhere) link.peer = std::exchange(link.lower, Ifindex::none);
    if (!parent.name.empty()) link.bus = parent.bus + "/" + parent.name;
    return link;
}

std::optional<Neighbour> decode_neighbour(const nlmsghdr *message, Ifindex index) {
    constexpr unsigned known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
    std::optional<Neighbour> out = decode_in_state(message, index, known);
    return out && !out->mac.empty() ? out : std::nullopt;
}

std::optional<Neighbour> decode_unresolved(const nlmsghdr *message, Ifindex index) {
    std::optional<Neighbour> out = decode_in_state(message, index, NUD_INCOMPLETE | NUD_FAILED);
    if (!out || out->ip == Address{out->ip.six, {}}) return std::nullopt; // a proxy's, say
    out->mac = {};
    return out;
}

std::optional<Mac> decode_filter_address(const nlmsghdr *message, Ifindex index) {
    const auto *info = header<ndmsg>(message);
    if (!info || info->ndm_ifindex != static_cast<int>(number(index)) ||
        !(info->ndm_flags & NTF_SELF))
        return std::nullopt;
    Mac out;
    each_of<ndmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == NDA_LLADDR) out = mac(attr);
    });
    bool group = out.bytes[0] & 1;
    return out.empty() || group ? std::nullopt : std::optional(out);
}

std::optional<Address> decode_address(const nlmsghdr *message, Ifindex index) {
    const auto *info = header<ifaddrmsg>(message);
    if (!info || info->ifa_index != number(index) || info->ifa_flags & IFA_F_TENTATIVE)
        return std::nullopt;
    std::optional<Address> out;
    each_of<ifaddrmsg>(message, [&](const nlattr *attr) {
        int type = mnl_attr_get_type(attr);
        // Of a point-to-point link, IFA_ADDRESS is the peer's.
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !out)) out = address(attr);
    });
    return out;
}

std::optional<Address> decode_gateway(const nlmsghdr *message) {
    if (!header<rtmsg>(message)) return std::nullopt;
    std::optional<Address> out;
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == RTA_GATEWAY) out = address(attr);
    });
    return out;
}

std::optional<Filter> decode_filter(const nlmsghdr *message) {
    const auto *info = header<tcmsg>(message);
    if (!info || !info->tcm_handle) return std::nullopt;
    Filter out;
    out.handle = info->tcm_handle;
    out.priority = static_cast<uint16_t>(TC_H_MAJ(info->tcm_info) >> 16);
    std::string kind;
    const nlattr *options = nullptr;
    each_of<tcmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == TCA_KIND) kind = text(attr);
        if (mnl_attr_get_type(attr) == TCA_OPTIONS) options = attr;
    });
    if (kind != "bpf" || !options) return out;
    each_nested(options, [&](const nlattr *option) {
        if (mnl_attr_get_type(option) == TCA_BPF_ID) out.program = value<uint32_t>(option);
        if (mnl_attr_get_type(option) == TCA_BPF_NAME) out.name = text(option);
    });
    return out;
}

/// In a qdisc, as its TCA_STATS2 tells.
static uint32_t queued_frames(const nlattr *statistics) {
    uint32_t out = 0;
    each_nested(statistics, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == TCA_STATS_QUEUE)
            out = value<uint32_t>(attr); // qlen is first
    });
    return out;
}

std::optional<Qdisc> decode_qdisc(const nlmsghdr *message) {
    const auto *info = header<tcmsg>(message);
    if (!info) return std::nullopt;
    Qdisc out;
    out.device = Ifindex(info->tcm_ifindex);
    out.handle = info->tcm_handle;
    out.parent = info->tcm_parent;
    const nlattr *options = nullptr;
    each_of<tcmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case TCA_KIND: out.kind = text(attr); break;
        case TCA_OPTIONS: options = attr; break;
        case TCA_INGRESS_BLOCK: out.ingress_block = value<uint32_t>(attr); break;
        case TCA_EGRESS_BLOCK: out.egress_block = value<uint32_t>(attr); break;
        case TCA_STATS2: out.queued = queued_frames(attr); break;
        default: break;
        }
    });
    if (out.kind != "fq" || !options) return out;
    each_nested(options, [&](const nlattr *option) {
        constexpr uint32_t unlimited = ~0U;
        if (mnl_attr_get_type(option) == TCA_FQ_FLOW_MAX_RATE)
            out.max_rate = value<uint32_t>(option) != unlimited;
    });
    return out;
}

/// Null for a message that tells of no qdisc and no filter.
static const tcmsg *tells_of_tc(const nlmsghdr *message) {
    switch (message->nlmsg_type) {
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER: return header<tcmsg>(message);
    default: return nullptr;
    }
}

/// The device whose forwarding a message tells of, by IPv4 or IPv6; it says so of all devices and
/// of new ones, too, by numbers below zero.
static std::optional<Ifindex> tells_of_forwarding(const nlmsghdr *message) {
    if (message->nlmsg_type != RTM_NEWNETCONF || !header<netconfmsg>(message)) return std::nullopt;
    int32_t device = 0;
    bool forwarding = false;
    each_of<netconfmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == NETCONFA_IFINDEX) device = value<int32_t>(attr);
        forwarding |= mnl_attr_get_type(attr) == NETCONFA_FORWARDING;
    });
    if (!forwarding || device <= 0) return std::nullopt;
    return Ifindex{static_cast<uint32_t>(device)};
}

void decode_links(const char *data, size_t size, const std::function<void(const Link &)> &changed,
                  const std::function<void(Ifindex)> &gone, const std::function<void(Ifindex)> &tc,
                  const std::function<void(Ifindex)> &forwarding) {
    // Not mnl_nlmsg_ok(): libmnl 1.0.4 takes a length of 2 GB or more for a negative one.
    for (size_t step = 0; size >= sizeof(nlmsghdr); data += step, size -= step) {
        const auto *m = reinterpret_cast<const nlmsghdr *>(data);
        if (m->nlmsg_len < sizeof(nlmsghdr) || m->nlmsg_len > size) return;
        step = std::min<size_t>(size, NLMSG_ALIGN(m->nlmsg_len));
        const auto *info = header<ifinfomsg>(m);
        if (const auto *changed_tc = tells_of_tc(m)) {
            auto index = static_cast<uint32_t>(changed_tc->tcm_ifindex);
            tc(index == TCM_IFINDEX_MAGIC_BLOCK ? Ifindex::none : Ifindex{index});
            continue;
        }
        if (std::optional<Ifindex> device = tells_of_forwarding(m)) {
            forwarding(*device);
            continue;
        }
        // AF_BRIDGE notifications of ports come through the same group.
        if (!info || info->ifi_family != AF_UNSPEC) continue;
        if (m->nlmsg_type == RTM_NEWLINK) changed(*decode_link(m));
        if (m->nlmsg_type == RTM_DELLINK) gone(Ifindex(info->ifi_index));
    }
}

namespace {

/// One IFLA_VF_INFO; nothing without its number.
std::optional<VirtualFunction> decode_one(const nlattr *info) {
    std::optional<VirtualFunction> out;
    uint16_t vlan = 0;
    each_nested(info, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == IFLA_VF_MAC)
            if (auto told = whole<ifla_vf_mac>(attr)) {
                out = VirtualFunction{.number = told->vf, .mac = {}, .vlan = 0};
                std::copy_n(told->mac, out->mac.bytes.size(), out->mac.bytes.begin());
            }
        if (mnl_attr_get_type(attr) == IFLA_VF_VLAN)
            if (auto told = whole<ifla_vf_vlan>(attr)) vlan = static_cast<uint16_t>(told->vlan);
    });
    if (out) out->vlan = vlan;
    return out;
}

} // namespace

std::vector<VirtualFunction> decode_virtual_functions(const nlmsghdr *message) {
    std::vector<VirtualFunction> out;
    if (message->nlmsg_type != RTM_NEWLINK || !header<ifinfomsg>(message)) return out;
    each_of<ifinfomsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) != IFLA_VFINFO_LIST) return;
        each_nested(attr, [&](const nlattr *info) {
            if (mnl_attr_get_type(info) != IFLA_VF_INFO) return;
            if (std::optional<VirtualFunction> one = decode_one(info)) out.push_back(*one);
        });
    });
    return out;
}

} // namespace hitless
