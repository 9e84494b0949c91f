// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/settings.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/message.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <set>

namespace hitless {
namespace {

constexpr uint16_t create = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
constexpr int user_hz = 100;            // of cacheinfo's times
constexpr size_t longest_altname = 128; // ALTIFNAMSIZ

using Message = std::vector<char>;

nlmsghdr *head(Message &message) {
    return reinterpret_cast<nlmsghdr *>(message.data());
}

template <typename T>
T *own(nlmsghdr *message) {
    return static_cast<T *>(mnl_nlmsg_get_payload(message));
}

/// Of an attribute in a message that is ours to change.
uint32_t *value_of(const nlattr *attr) {
    return static_cast<uint32_t *>(
        const_cast<void *>(static_cast<const void *>(mnl_attr_get_payload(attr))));
}

Message copy(const nlmsghdr *message) {
    const char *bytes = reinterpret_cast<const char *>(message);
    Message out(bytes, bytes + message->nlmsg_len);
    out.resize(message->nlmsg_len + 64); // room for an attribute more
    return out;
}

/// Every message of a dump that `wanted` takes.
template <typename Header, typename Wanted>
std::vector<Message> dump(Rtnl &rtnl, uint16_t type, uint8_t family, Ifindex index, Wanted wanted) {
    char buffer[128] = {};
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(request, sizeof(Header));
    *static_cast<uint8_t *>(mnl_nlmsg_get_payload(request)) = family; // first in all of them
    if constexpr (std::is_same_v<Header, tcmsg>)
        own<tcmsg>(request)->tcm_ifindex = static_cast<int>(number(index));
    std::vector<Message> out;
    int error = rtnl.dump(request, out, [&](const nlmsghdr *m) {
        return wanted(m) ? std::optional(copy(m)) : std::nullopt;
    });
    if (error && error != EOPNOTSUPP && error != EAFNOSUPPORT)
        throw Error(error, "read a device's settings");
    return out;
}

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
    if (route->rtm_flags & RTM_F_CLONED || route->rtm_table == RT_TABLE_LOCAL) return false;
    if (route->rtm_type != RTN_UNICAST) return false;
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

bool has_gateway(const Message &message) {
    bool found = false;
    each_of<rtmsg>(reinterpret_cast<const nlmsghdr *>(message.data()), [&](const nlattr *attr) {
        uint16_t type = mnl_attr_get_type(attr);
        found |= type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH;
    });
    return found;
}

/// Sends it there; whatever device it spoke of before.
void lead_to(nlmsghdr *message, Ifindex to) {
    uint32_t from = 0;
    each_of<rtmsg>(message, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == RTA_OIF) *value_of(attr) = number(to);
        if (mnl_attr_get_type(attr) != RTA_MULTIPATH) return;
        each_nexthop(attr, [&](rtnexthop &hop) {
            if (!from) from = static_cast<uint32_t>(hop.rtnh_ifindex);
            if (hop.rtnh_ifindex == static_cast<int>(from))
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

void read_sysctls(std::map<std::string, std::string> &out, const std::string &ifname) {
    // Follow the device, or are not settings.
    static const std::set<std::string> other = {"mtu", "addr_gen_mode", "stable_secret"};
    for (const char *family : {"ipv4", "ipv6"}) {
        std::error_code none;
        for (const auto &entry : std::filesystem::directory_iterator(
                 fmt::format("/proc/sys/net/{}/conf/{}", family, ifname), none)) {
            std::string value, name = entry.path().filename();
            if (!other.contains(name) && std::getline(std::ifstream(entry.path()), value))
                out[fmt::format("{}/{}", family, name)] = value;
        }
    }
}

std::vector<std::string> read_altnames(Rtnl &rtnl, Ifindex index) {
    std::vector<std::string> out;
    char buffer[128];
    rtnl.transact(link_request(buffer, RTM_GETLINK, 0, index), [&](const nlmsghdr *m) {
        each_of<ifinfomsg>(m, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) != IFLA_PROP_LIST) return;
            each_nested(attr, [&](const nlattr *name) { out.push_back(mnl_attr_get_str(name)); });
        });
    });
    return out;
}

void give(Rtnl &rtnl, nlmsghdr *address) {
    int error = rtnl.transact(address, [](const nlmsghdr *) {});
    if (error && error != EEXIST) throw Error(error, "give an address to another device");
}

} // namespace

Settings Settings::read(Rtnl &rtnl, const Link &link) {
    Settings out;
    out.ifname_ = link.name;
    auto index = static_cast<int>(number(link.index));
    for (uint8_t family : {AF_INET, AF_INET6}) {
        auto add = [](std::vector<Message> &to, std::vector<Message> &&more) {
            std::ranges::move(more, std::back_inserter(to));
        };
        add(out.addresses_,
            dump<ifaddrmsg>(rtnl, RTM_GETADDR, family, link.index, [&](const nlmsghdr *m) {
                return static_cast<int>(header<ifaddrmsg>(m)->ifa_index) == index;
            }));
        add(out.neighbours_,
            dump<ndmsg>(rtnl, RTM_GETNEIGH, family, link.index, [&](const nlmsghdr *m) {
                constexpr unsigned known =
                    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
                const auto *neighbour = header<ndmsg>(m);
                return neighbour->ndm_ifindex == index && neighbour->ndm_state & known;
            }));
        add(out.routes_,
            dump<rtmsg>(rtnl, RTM_GETROUTE, family, link.index,
                        [&](const nlmsghdr *m) { return is_route_of(m, link.index); }));
    }
    // A gateway must be reachable before a route may lead to it.
    std::stable_partition(out.routes_.begin(), out.routes_.end(),
                          [](const Message &m) { return !has_gateway(m); });
    out.qdiscs_ = dump<tcmsg>(rtnl, RTM_GETQDISC, AF_UNSPEC, link.index, [&](const nlmsghdr *m) {
        const auto *qdisc = header<tcmsg>(m);
        return qdisc->tcm_ifindex == index && qdisc->tcm_parent == TC_H_ROOT && qdisc->tcm_handle;
    });
    out.altnames_ = read_altnames(rtnl, link.index);
    read_sysctls(out.sysctls_, link.name);
    return out;
}

void Settings::give_sysctls(const std::string &ifname) const {
    for (const auto &[name, value] : sysctls_) {
        size_t slash = name.find('/');
        std::string path = fmt::format("/proc/sys/net/{}/conf/{}/{}", name.substr(0, slash), ifname,
                                       name.substr(slash + 1));
        std::string now;
        std::getline(std::ifstream(path), now);
        if (now != value) std::ofstream(path) << value;
    }
}

void Settings::give_addresses(Rtnl &rtnl, Ifindex to) const {
    for (Message address : addresses_) {
        nlmsghdr *message = head(address);
        message->nlmsg_flags = create | NLM_F_REPLACE;
        auto *info = own<ifaddrmsg>(message);
        info->ifa_index = number(to);
        uint32_t *flags = nullptr;
        each_of<ifaddrmsg>(message, [&](const nlattr *attr) {
            uint16_t type = mnl_attr_get_type(attr);
            // A label that only repeats the device's name is the kernel's own doing.
            if (type == IFA_LABEL && ifname_ == mnl_attr_get_str(attr))
                const_cast<nlattr *>(attr)->nla_type = IFA_UNSPEC;
            if (type == IFA_FLAGS) flags = value_of(attr);
        });
        if (flags) *flags &= ~(IFA_F_TENTATIVE | IFA_F_DADFAILED);
        bool quiet = info->ifa_family == AF_INET6 && flags && !(*flags & IFA_F_NODAD);
        if (quiet) *flags |= IFA_F_NODAD;
        give(rtnl, message);
        if (!quiet) continue;
        *flags &= ~IFA_F_NODAD; // it was not the user's wish, and shows
        give(rtnl, message);
    }
    for (Message neighbour : neighbours_) {
        nlmsghdr *message = head(neighbour);
        message->nlmsg_flags = create | NLM_F_REPLACE;
        auto *info = own<ndmsg>(message);
        info->ndm_ifindex = static_cast<int>(number(to));
        if (!(info->ndm_state & NUD_PERMANENT)) info->ndm_state = NUD_STALE;
        rtnl.transact(message, [](const nlmsghdr *) {}); // else it is asked for again
    }
}

void Settings::give_routes(Rtnl &rtnl, Ifindex to) const {
    for (Message route : routes_) {
        nlmsghdr *message = head(route);
        bool by_kernel = own<rtmsg>(message)->rtm_protocol == RTPROT_KERNEL;
        // The kernel makes those with the address, unless told not to.
        message->nlmsg_flags = create | (by_kernel ? NLM_F_EXCL : NLM_F_REPLACE);
        lead_to(message, to);
        if (own<rtmsg>(message)->rtm_family == AF_INET6) keep_expiry(message);
        int error = rtnl.transact(message, [](const nlmsghdr *) {});
        if (error && error != EEXIST) throw Error(error, "give a route to another device");
    }
}

void Settings::give_altnames(Rtnl &rtnl, Ifindex to) const {
    if (altnames_.empty()) return;
    std::vector<char> buffer(256 + altnames_.size() * (longest_altname + 8));
    nlmsghdr *request = link_request(buffer.data(), RTM_NEWLINKPROP,
                                     NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, to);
    nlattr *list = mnl_attr_nest_start(request, IFLA_PROP_LIST);
    for (const std::string &name : altnames_)
        mnl_attr_put_strz(request, IFLA_ALT_IFNAME, name.c_str());
    mnl_attr_nest_end(request, list);
    int error = rtnl.transact(request, [](const nlmsghdr *) {});
    if (error && error != EEXIST) throw Error(error, "give other names to another device");
}

void Settings::give_qdisc(Rtnl &rtnl, Ifindex to) const {
    for (const Message &qdisc : qdiscs_) {
        const auto *old = reinterpret_cast<const nlmsghdr *>(qdisc.data());
        std::vector<char> buffer(qdisc.size() + 64);
        nlmsghdr *request = mnl_nlmsg_put_header(buffer.data());
        request->nlmsg_type = RTM_NEWQDISC;
        request->nlmsg_flags = create | NLM_F_REPLACE;
        auto *info = static_cast<tcmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(tcmsg)));
        *info = *header<tcmsg>(old);
        info->tcm_ifindex = static_cast<int>(number(to));
        info->tcm_info = 0; // its users, when read
        each_of<tcmsg>(old, [&](const nlattr *attr) {
            uint16_t type = mnl_attr_get_type(attr);
            if (type == TCA_KIND || type == TCA_OPTIONS)
                mnl_attr_put(request, attr->nla_type, mnl_attr_get_payload_len(attr),
                             mnl_attr_get_payload(attr));
        });
        rtnl.transact(request, [](const nlmsghdr *) {});
    }
}

void Settings::take_addresses(Rtnl &rtnl, Ifindex from) const {
    for (Message address : addresses_) {
        nlmsghdr *message = head(address);
        message->nlmsg_type = RTM_DELADDR;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        own<ifaddrmsg>(message)->ifa_index = number(from);
        rtnl.transact(message, [](const nlmsghdr *) {}); // gone already, with another one
    }
}

} // namespace hitless
