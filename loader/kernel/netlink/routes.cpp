// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/routes.hpp"
#include "loader/kernel/netlink/saved_message.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

namespace hitless {
namespace {

constexpr int user_hz = 100; // of cacheinfo's times

/// Nexthops of a route, which share one attribute.
template <typename Visit>
void each_nexthop(const nlattr *multipath, Visit visit) {
    auto *hop = reinterpret_cast<rtnexthop *>(
        const_cast<void *>(static_cast<const void *>(mnl_attr_get_payload(multipath))));
    auto left = static_cast<int>(mnl_attr_get_payload_len(multipath));
    for (; left >= static_cast<int>(sizeof(*hop)) && RTNH_OK(hop, left);
         left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len)), hop = RTNH_NEXT(hop))
        visit(*hop);
}

/// One that somebody or something added and that goes by this device.
bool is_route_of(const nlmsghdr *message, Ifindex index) {
    const auto *route = header<rtmsg>(message);
    // Local ones come with addresses, unless somebody made them (`ip route add local ...`).
    bool made = route->rtm_type == RTN_LOCAL && route->rtm_protocol != RTPROT_KERNEL;
    bool usual = route->rtm_type == RTN_UNICAST && route->rtm_table != RT_TABLE_LOCAL;
    if (route->rtm_flags & RTM_F_CLONED || !(made || usual)) return false;
    bool ours = false, by_object = false;
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case RTA_OIF: ours |= mnl_attr_get_u32(attr) == number(index); break;
        case RTA_NH_ID: by_object = true; break;
        case RTA_MULTIPATH:
            each_nexthop(attr, [&](const rtnexthop &hop) {
                ours |= hop.rtnh_ifindex == static_cast<int>(number(index));
            });
            break;
        default: break;
        }
    });
    return ours && !by_object;
}

bool has(const nlmsghdr *message, uint16_t type) {
    bool found = false;
    each_of<rtmsg>(message, [&](const nlattr *a) { found |= mnl_attr_get_type(a) == type; });
    return found;
}

bool has_gateway(const Message &message) {
    return has(head(message), RTA_GATEWAY) || has(head(message), RTA_VIA) ||
           has(head(message), RTA_MULTIPATH);
}

/// One message for routes by several devices, each of which is a route of its own to the kernel.
bool is_group(const nlmsghdr *message) {
    return header<rtmsg>(message)->rtm_family == AF_INET6 && has(message, RTA_MULTIPATH);
}

/// What IPv4 routes have in common of which only the first is in use.
auto key_of(const nlmsghdr *message) {
    const auto *route = header<rtmsg>(message);
    std::tuple key{route->rtm_dst_len, route->rtm_tos, uint32_t{0}, uint32_t{0}, std::string()};
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        switch (mnl_attr_get_type(attr)) {
        case RTA_TABLE: std::get<2>(key) = mnl_attr_get_u32(attr); break;
        case RTA_PRIORITY: std::get<3>(key) = mnl_attr_get_u32(attr); break;
        case RTA_DST:
            std::get<4>(key).assign(static_cast<const char *>(mnl_attr_get_payload(attr)),
                                    mnl_attr_get_payload_len(attr));
            break;
        default: break;
        }
    });
    return key;
}

/// How to add it again without harm to its equals. A group stands as one: what is left of it, by
/// the other devices, is replaced by all of it.
uint16_t flags_for(const nlmsghdr *message, bool is_first) {
    // The kernel makes those with the address, unless told not to.
    if (header<rtmsg>(message)->rtm_protocol == RTPROT_KERNEL) return create | NLM_F_EXCL;
    if (is_group(message)) return create | NLM_F_REPLACE;
    return is_first ? create : create | NLM_F_APPEND;
}

/// Sends what went by one device by another.
void lead_to(nlmsghdr *message, Ifindex from, Ifindex to) {
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == RTA_OIF) *value_of(attr) = number(to);
        if (mnl_attr_get_type(attr) != RTA_MULTIPATH) return;
        each_nexthop(attr, [&](rtnexthop &hop) {
            if (hop.rtnh_ifindex == static_cast<int>(number(from)))
                hop.rtnh_ifindex = static_cast<int>(number(to));
            hop.rtnh_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
        });
    });
    own<rtmsg>(message)->rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
}

/// What a router advertised ends when it said; a dump tells the rest in another attribute.
void keep_expiry(nlmsghdr *message) {
    int32_t left = 0;
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == RTA_CACHEINFO)
            left = static_cast<const rta_cacheinfo *>(mnl_attr_get_payload(attr))->rta_expires;
    });
    if (left > 0) mnl_attr_put_u32(message, RTA_EXPIRES, static_cast<uint32_t>(left / user_hz + 1));
}

std::vector<Message> read_family(Rtnl &rtnl, uint8_t family, Ifindex index) {
    decltype(key_of(nullptr)) before; // equals stand one behind the other
    return dump<rtmsg>(rtnl, RTM_GETROUTE, family, index, [&](const nlmsghdr *m) {
        auto key = key_of(m);
        bool is_first = key != std::exchange(before, key);
        if (!is_route_of(m, index)) return false;
        const_cast<nlmsghdr *>(m)->nlmsg_flags = flags_for(m, is_first); // in our own buffer
        return true;
    });
}

} // namespace

Routes Routes::read(Rtnl &rtnl, Ifindex index) {
    Routes out;
    out.index_ = index;
    for (uint8_t family : {AF_INET, AF_INET6})
        std::ranges::move(read_family(rtnl, family, index), std::back_inserter(out.messages_));
    // A gateway must be reachable before a route may lead to it.
    std::stable_partition(out.messages_.begin(), out.messages_.end(),
                          [](const Message &m) { return !has_gateway(m); });
    return out;
}

void Routes::add_to(Rtnl &rtnl, Ifindex to) const {
    std::optional<Error> refused; // one is no reason to lose the others
    for (Message route : messages_) {
        nlmsghdr *message = head(route);
        lead_to(message, index_, to);
        if (own<rtmsg>(message)->rtm_family == AF_INET6) keep_expiry(message);
        int error = rtnl.transact(message, [](const nlmsghdr *) {});
        if (error && error != EEXIST && !refused)
            refused = Error(error, "give a route to another device");
    }
    if (refused) throw *refused;
}

void Routes::remove_from(Rtnl &rtnl, Ifindex from) const {
    for (Message route : messages_) {
        nlmsghdr *message = head(route);
        if (is_group(message)) continue; // it was replaced; deleting it would take the others', too
        message->nlmsg_type = RTM_DELROUTE;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        lead_to(message, index_, from);
        rtnl.transact(message, [](const nlmsghdr *) {});
    }
}

} // namespace hitless
