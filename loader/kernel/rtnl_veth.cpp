// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"
#include "loader/kernel/rtnl.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

namespace hitless {
namespace {

nlmsghdr *request(char *buffer, uint16_t type, uint16_t flags, Ifindex index) {
    nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    info->ifi_index = static_cast<int>(number(index));
    return message;
}

void put_name(nlmsghdr *message, const std::string &name, uint32_t mtu) {
    mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
}

} // namespace

void Rtnl::make_veth(const std::string &outer, const std::string &inner, const Mac &mac,
                     uint32_t mtu) {
    char buffer[1024];
    nlmsghdr *message = request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Ifindex::none);
    put_name(message, outer, mtu);
    mnl_attr_put(message, IFLA_ADDRESS, mac.bytes.size(), mac.bytes.data());
    nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
    put_name(message, inner, mtu);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    if (int error = transact(message, [](const nlmsghdr *) {}))
        throw Error(error, fmt::format("make the failover device {}", outer),
                    error == EEXIST ? "choose another name: --failover NAME"
                                    : "the kernel needs CONFIG_VETH (modprobe veth)");
    std::optional<Link> made = link(inner);
    if (!made) throw Error(ENODEV, fmt::format("find {}", inner));
    LinkChange silent;
    silent.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
    try {
        change(made->index, inner, silent);
    } catch (const Error &error) {
        if (error.code() != EAFNOSUPPORT) throw; // no IPv6 in this kernel: nothing to silence
    }
}

void Rtnl::remove(Ifindex index) {
    char buffer[256];
    int error = transact(request(buffer, RTM_DELLINK, 0, index), [](const nlmsghdr *) {});
    if (error && error != ENODEV)
        throw Error(error, fmt::format("delete network device {}", number(index)));
}

} // namespace hitless
