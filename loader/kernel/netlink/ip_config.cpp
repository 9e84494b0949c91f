// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/ip_config.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/nexthop.h>
#include <set>

namespace hitless {
namespace {

std::string network_text(uint8_t family, const nlattr *address, unsigned bits) {
    char text[INET6_ADDRSTRLEN] = "";
    size_t size = family == AF_INET ? 4 : 16;
    if (mnl_attr_get_payload_len(address) != size) return "?";
    inet_ntop(family, mnl_attr_get_payload(address), text, sizeof(text));
    return bits == size * 8 ? text : fmt::format("{}/{}", text, bits);
}

std::optional<std::string> decode_own_address(const nlmsghdr *message, Ifindex index) {
    const auto *info = header<ifaddrmsg>(message);
    if (!info || info->ifa_index != number(index)) return std::nullopt;
    // An IPv6 address of the link's scope is the kernel's own doing, and is of use there only.
    if (info->ifa_family == AF_INET6 && info->ifa_scope == RT_SCOPE_LINK) return std::nullopt;
    std::optional<std::string> out;
    each_of<ifaddrmsg>(message, [&](const nlattr *attr) {
        int type = mnl_attr_get_type(attr);
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !out))
            out = network_text(info->ifa_family, attr, info->ifa_prefixlen);
    });
    return out;
}

/// fe80::/10 and ff00::/8 are on every device; a part of the latter somebody has made.
bool is_link_scope(const rtmsg &route, const nlattr *destination) {
    if (route.rtm_family != AF_INET6 || mnl_attr_get_payload_len(destination) != 16) return false;
    const auto *bytes = static_cast<const uint8_t *>(mnl_attr_get_payload(destination));
    return (bytes[0] == 0xff && route.rtm_dst_len == 8) ||
           (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

bool leads_by(const nlattr *multipath, Ifindex index) {
    const auto *hop = static_cast<const rtnexthop *>(mnl_attr_get_payload(multipath));
    auto left = static_cast<int>(mnl_attr_get_payload_len(multipath));
    for (; left >= static_cast<int>(sizeof(*hop)) && RTNH_OK(hop, left);
         left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len)), hop = RTNH_NEXT(hop))
        if (hop->rtnh_ifindex == static_cast<int>(number(index))) return true;
    return false;
}

/// Adds what `decode` makes of a dump. A family that the kernel does not have has nothing.
template <typename Header, typename T, typename Decode>
void collect(Rtnl &rtnl, std::vector<T> &all, uint16_t type, const Header &about, Ifindex route_by,
             Decode decode) {
    char buffer[256] = {};
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    memcpy(mnl_nlmsg_put_extra_header(request, sizeof(about)), &about, sizeof(about));
    if (route_by != Ifindex::none) mnl_attr_put_u32(request, RTA_OIF, number(route_by));
    std::vector<T> found;
    int error = rtnl.dump(request, found, decode);
    if (error && error != EOPNOTSUPP && error != EAFNOSUPPORT && error != ENODEV)
        throw Error(error, "read the addresses and routes of a device");
    std::ranges::move(found, std::back_inserter(all));
}

/// An object that routes name by its number (ip-nexthop(8)): a way out, or a group of such objects.
struct NextHop {
    uint32_t id = 0;
    Ifindex device = Ifindex::none;
    std::vector<uint32_t> group;
};

std::optional<NextHop> decode_next_hop(const nlmsghdr *message) {
    if (!header<nhmsg>(message)) return std::nullopt;
    NextHop out;
    each_of<nhmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case NHA_ID: out.id = mnl_attr_get_u32(attr); break;
        case NHA_OIF: out.device = Ifindex{mnl_attr_get_u32(attr)}; break;
        case NHA_GROUP: {
            const auto *member = static_cast<const nexthop_grp *>(mnl_attr_get_payload(attr));
            for (size_t n = mnl_attr_get_payload_len(attr) / sizeof(*member); n > 0; n--, member++)
                out.group.push_back(member->id);
            break;
        }
        default: break;
        }
    });
    return out;
}

/// The numbers of those that lead by a device. A route tells nothing but that number where
/// net.ipv4.nexthop_compat_mode is 0.
std::set<uint32_t> next_hops_by(Rtnl &rtnl, Ifindex device) {
    std::vector<NextHop> all;
    collect(rtnl, all, RTM_GETNEXTHOP, nhmsg{}, Ifindex::none, decode_next_hop);
    std::set<uint32_t> out;
    for (const NextHop &hop : all)
        if (hop.device == device) out.insert(hop.id);
    for (const NextHop &hop : all) // groups hold no groups of their own
        if (std::ranges::any_of(hop.group, [&](uint32_t id) { return out.contains(id); }))
            out.insert(hop.id);
    return out;
}

/// Older kernels do not pick out those of one device, so it is looked at here, too.
std::optional<IpRoute> decode_route(const nlmsghdr *message, const Link &link,
                                    const std::set<uint32_t> &next_hops) {
    const auto *route = header<rtmsg>(message);
    if (!route || route->rtm_flags & RTM_F_CLONED || route->rtm_table == RT_TABLE_LOCAL ||
        route->rtm_type != RTN_UNICAST)
        return std::nullopt;
    std::string to = "default";
    bool ours = false, link_scope = false, several = false;
    uint32_t table = route->rtm_table;
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case RTA_OIF: ours |= mnl_attr_get_u32(attr) == number(link.index); break;
        case RTA_MULTIPATH:
            several = true;
            ours |= leads_by(attr, link.index);
            break;
        case RTA_NH_ID:
            several = true;
            ours |= next_hops.contains(mnl_attr_get_u32(attr));
            break;
        case RTA_TABLE: table = mnl_attr_get_u32(attr); break;
        case RTA_DST:
            to = network_text(route->rtm_family, attr, route->rtm_dst_len);
            link_scope = is_link_scope(*route, attr);
            break;
        default: break;
        }
    });
    if (!ours || link_scope) return std::nullopt;
    if (table != RT_TABLE_MAIN) to += fmt::format(" table {}", table);
    return IpRoute{to,
                   fmt::format("ip {} route del {}{}", route->rtm_family == AF_INET6 ? "-6" : "-4",
                               to, several ? "" : " dev " + shell_quoted(link.name))};
}

std::optional<bool> decode_rule(const nlmsghdr *message, const std::string &ifname) {
    if (!header<fib_rule_hdr>(message)) return std::nullopt;
    bool named = false;
    each_of<fib_rule_hdr>(message, [&](const nlattr *attr) {
        int type = mnl_attr_get_type(attr);
        if (type != FRA_IIFNAME && type != FRA_OIFNAME) return;
        const auto *text = static_cast<const char *>(mnl_attr_get_payload(attr));
        named |= ifname == std::string(text, strnlen(text, mnl_attr_get_payload_len(attr)));
    });
    return named ? std::optional(true) : std::nullopt;
}

} // namespace

unsigned policy_rules(const std::string &ifname) {
    Rtnl rtnl;
    rtnl.check_strictly();
    std::vector<bool> rules;
    for (uint8_t family : {AF_INET, AF_INET6}) {
        fib_rule_hdr rule{};
        rule.family = family;
        collect(rtnl, rules, RTM_GETRULE, rule, Ifindex::none,
                [&](const nlmsghdr *m) { return decode_rule(m, ifname); });
    }
    return static_cast<unsigned>(rules.size());
}

IpConfig ip_config(const Link &link) {
    Rtnl rtnl;
    rtnl.check_strictly();
    IpConfig out;
    const std::set<uint32_t> next_hops = next_hops_by(rtnl, link.index);
    for (uint8_t family : {AF_INET, AF_INET6}) {
        ifaddrmsg address{};
        address.ifa_family = family;
        address.ifa_index = number(link.index);
        collect(rtnl, out.addresses, RTM_GETADDR, address, Ifindex::none,
                [&](const nlmsghdr *m) { return decode_own_address(m, link.index); });
        rtmsg route{};
        route.rtm_family = family;
        collect(rtnl, out.routes, RTM_GETROUTE, route, link.index,
                [&](const nlmsghdr *m) { return decode_route(m, link, next_hops); });
    }
    out.rules = policy_rules(link.name);
    return out;
}

} // namespace hitless
