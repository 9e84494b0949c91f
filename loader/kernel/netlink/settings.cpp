// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/settings.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/saved_message.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <optional>
#include <thread>

namespace hitless {
namespace {

constexpr size_t longest_altname = 128; // ALTIFNAMSIZ

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

std::string address_text(const nlmsghdr *message) {
    const auto *info = header<ifaddrmsg>(message);
    char text[INET6_ADDRSTRLEN] = "";
    each_of<ifaddrmsg>(message, [&](const nlattr *attr) {
        int type = mnl_attr_get_type(attr);
        if (type != IFA_LOCAL && (type != IFA_ADDRESS || text[0])) return;
        size_t size = info->ifa_family == AF_INET6 ? 16 : 4;
        if (mnl_attr_get_payload_len(attr) == size)
            inet_ntop(info->ifa_family, mnl_attr_get_payload(attr), text, sizeof(text));
    });
    return fmt::format("{}/{}", text, info->ifa_prefixlen);
}

/// Returns errno.
int give(Rtnl &rtnl, nlmsghdr *address) {
    int error = rtnl.transact(address, [](const nlmsghdr *) {});
    return error == EEXIST ? 0 : error;
}

void change_proxy(Rtnl &rtnl, Message proxy, uint16_t type, Ifindex device) {
    nlmsghdr *message = head(proxy);
    message->nlmsg_type = type;
    message->nlmsg_flags =
        type == RTM_NEWNEIGH ? create | NLM_F_REPLACE : NLM_F_REQUEST | NLM_F_ACK;
    own<ndmsg>(message)->ndm_ifindex = static_cast<int>(number(device));
    rtnl.transact(message, [](const nlmsghdr *) {}); // a v4 one is gone with the last address
}

/// It is a multicast group, which the kernel joins with it.
bool joins(const nlmsghdr *address) {
    bool out = false;
    each_of<ifaddrmsg>(address, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == IFA_FLAGS) out = mnl_attr_get_u32(attr) & IFA_F_MCAUTOJOIN;
    });
    return out;
}

void take(Rtnl &rtnl, Message address, Ifindex from) {
    nlmsghdr *message = head(address);
    message->nlmsg_type = RTM_DELADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    own<ifaddrmsg>(message)->ifa_index = number(from);
    rtnl.transact(message, [](const nlmsghdr *) {}); // gone already, with another one
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
        std::vector<Message> addresses =
            dump<ifaddrmsg>(rtnl, RTM_GETADDR, family, link.index, [&](const nlmsghdr *m) {
                return static_cast<int>(header<ifaddrmsg>(m)->ifa_index) == index;
            });
        // A new IPv6 address stands before its equals, and is preferred (ipv6_link_dev_addr() in
        // net/ipv6/addrconf.c).
        if (family == AF_INET6) std::ranges::reverse(addresses);
        add(out.addresses_, std::move(addresses));
        add(out.neighbours_,
            dump<ndmsg>(rtnl, RTM_GETNEIGH, family, link.index, [&](const nlmsghdr *m) {
                constexpr unsigned known =
                    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
                const auto *neighbour = header<ndmsg>(m);
                return neighbour->ndm_ifindex == index && neighbour->ndm_state & known &&
                       !(neighbour->ndm_flags & NTF_PROXY);
            }));
        // In a table of their own: what the guest answers for others.
        add(out.proxies_, dump<ndmsg>(
                              rtnl, RTM_GETNEIGH, family, link.index,
                              [&](const nlmsghdr *m) {
                                  const auto *proxy = header<ndmsg>(m);
                                  return proxy->ndm_ifindex == index &&
                                         proxy->ndm_flags & NTF_PROXY;
                              },
                              NTF_PROXY));
    }
    out.routes_ = Routes::read(rtnl, link.index);
    out.qdiscs_ = dump<tcmsg>(rtnl, RTM_GETQDISC, AF_UNSPEC, link.index, [&](const nlmsghdr *m) {
        const auto *qdisc = header<tcmsg>(m);
        return qdisc->tcm_ifindex == index && qdisc->tcm_parent == TC_H_ROOT && qdisc->tcm_handle;
    });
    out.altnames_ = read_altnames(rtnl, link.index);
    out.link_ = LinkSettings::read(rtnl, link.index);
    out.sysctls_ = DeviceSysctls::read(link);
    return out;
}

void Settings::write_ipv6_mtu(Rtnl &rtnl, const Link &to) const {
    // linkwatch tells of carriers once a second at least (net/core/link_watch.c).
    constexpr std::chrono::milliseconds look(5), slowest(1200);
    if (!sysctls_.has_ipv6_mtu()) return;
    std::optional<Link> link = rtnl.link(to.index);
    const auto end = std::chrono::steady_clock::now() + slowest;
    while (link && link->up && !is_operational(rtnl, to.index) &&
           std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(look);
    sysctls_.write_ipv6_mtu(to.name);
}

void Settings::add_addresses(Rtnl &rtnl, Ifindex to) const {
    std::optional<Error> refused; // one is no reason to lose the others
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
        int error = give(rtnl, message);
        if (error && !refused)
            refused = Error(error, fmt::format("give {} to the device that takes the place of {}",
                                               address_text(message), ifname_));
        if (error || !quiet) continue;
        *flags &= ~IFA_F_NODAD; // it was not the user's request, and shows
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
    for (const Message &proxy : proxies_)
        change_proxy(rtnl, proxy, RTM_NEWNEIGH, to);
    if (refused) throw *refused;
}

void Settings::leave_groups(Rtnl &rtnl, Ifindex from) const {
    for (const Message &address : addresses_)
        if (joins(head(address))) take(rtnl, address, from);
}

void Settings::add_routes(Rtnl &rtnl, Ifindex to) const {
    routes_.add_to(rtnl, to);
}

void Settings::add_altnames(Rtnl &rtnl, Ifindex to) const {
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

void Settings::add_qdisc(Rtnl &rtnl, Ifindex to) const {
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

void Settings::remove_routes(Rtnl &rtnl, Ifindex from) const {
    routes_.remove_from(rtnl, from);
}

void Settings::remove_addresses(Rtnl &rtnl, Ifindex from) const {
    remove_routes(rtnl, from);
    for (const Message &address : addresses_)
        take(rtnl, address, from);
    for (const Message &proxy : proxies_)
        change_proxy(rtnl, proxy, RTM_DELNEIGH, from);
}

} // namespace hitless
