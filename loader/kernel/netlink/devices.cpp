// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/devices.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/veth.h>

namespace hitless {
namespace {

// include/uapi/linux/if_link.h of 6.7 and later.
constexpr uint16_t netkit_peer_info = 1, netkit_mode = 5, netkit_scrub = 6, netkit_peer_scrub = 7;
constexpr uint32_t netkit_mode_l2 = 0, netkit_scrub_none = 0;

void put_peer(nlmsghdr *request, uint16_t type, int netns, const NewDevices &wanted) {
    nlattr *peer = mnl_attr_nest_start(request, type);
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)));
    info->ifi_index = static_cast<int>(number(wanted.outer_index));
    mnl_attr_put_strz(request, IFLA_IFNAME, wanted.outer.c_str());
    mnl_attr_put_u32(request, IFLA_MTU, wanted.mtu);
    mnl_attr_put_u32(request, IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
    mnl_attr_put(request, IFLA_ADDRESS, wanted.mac.bytes.size(), wanted.mac.bytes.data());
    mnl_attr_nest_end(request, peer);
}

int move(Rtnl &rtnl, const Link &link, int netns, Ifindex as, const std::string &name) {
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, link.index);
    mnl_attr_put_u32(request, IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
    if (as != Ifindex::none) mnl_attr_put_u32(request, IFLA_NEW_IFINDEX, number(as));
    if (!name.empty()) mnl_attr_put_strz(request, IFLA_IFNAME, name.c_str());
    return rtnl.transact(request, [](const nlmsghdr *) {});
}

} // namespace

void make_devices(Rtnl &rtnl, int outer_netns, const NewDevices &wanted) {
    char buffer[1024];
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
                                     wanted.inner_index);
    mnl_attr_put_strz(request, IFLA_IFNAME, wanted.inner.c_str());
    mnl_attr_put_u32(request, IFLA_MTU, wanted.mtu);
    nlattr *info = mnl_attr_nest_start(request, IFLA_LINKINFO);
    mnl_attr_put_strz(request, IFLA_INFO_KIND, wanted.netkit ? "netkit" : "veth");
    nlattr *data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
    if (wanted.netkit) {
        mnl_attr_put_u32(request, netkit_mode, netkit_mode_l2);
        // 6.13: what both ends are is ours, so nothing must be wiped between them. Older ones
        // ignore it.
        mnl_attr_put_u32(request, netkit_scrub, netkit_scrub_none);
        mnl_attr_put_u32(request, netkit_peer_scrub, netkit_scrub_none);
    }
    put_peer(request, wanted.netkit ? netkit_peer_info : static_cast<uint16_t>(VETH_INFO_PEER),
             outer_netns, wanted);
    mnl_attr_nest_end(request, data);
    mnl_attr_nest_end(request, info);
    if (int error = rtnl.transact(request, [](const nlmsghdr *) {}))
        throw Error(error, fmt::format("make the failover device {}", wanted.outer),
                    error == EEXIST       ? "choose another name: --failover NAME"
                    : error == EOPNOTSUPP ? "the kernel needs CONFIG_VETH (modprobe veth)"
                                          : "");
}

void move_device(Rtnl &rtnl, const Link &link, int netns, Ifindex as) {
    int error = move(rtnl, link, netns, as, "");
    if (error == EBUSY && as != Ifindex::none) error = move(rtnl, link, netns, Ifindex::none, "");
    if (error == EEXIST) {
        std::string pattern = link.name.substr(0, std::min<size_t>(link.name.size(), 11)) + "_%d";
        error = move(rtnl, link, netns, Ifindex::none, pattern);
    }
    if (error)
        throw Error(error, fmt::format("move {} to another network namespace", link.name),
                    error == EINVAL ? "its driver keeps it where it is: use the model two or three"
                                    : "");
}

void move_device_to(Rtnl &rtnl, const Link &link, int netns, Ifindex as, const std::string &name) {
    if (int error = move(rtnl, link, netns, as, name))
        throw Error(error, fmt::format("give the name {} to the failover device", name));
}

void remove_device(Rtnl &rtnl, Ifindex index) {
    char buffer[64];
    nlmsghdr *request = link_request(buffer, RTM_DELLINK, NLM_F_ACK, index);
    int error = rtnl.transact(request, [](const nlmsghdr *) {});
    if (error && error != ENODEV) throw Error(error, "remove the failover device");
}

} // namespace hitless
