// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/nic/offload.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/nic/ethtool.hpp"

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <span>

namespace hitless {
namespace {

// include/uapi/linux/netdev.h of 6.3; Debian 12's headers stop at 6.1.
constexpr auto netdev_family = "netdev";
constexpr uint8_t cmd_dev_get = 1;
constexpr uint16_t attr_ifindex = 1, attr_xdp_features = 3;
enum : uint64_t { basic = 1, redirect = 2, xmit = 4, receive_sg = 32, xmit_sg = 64 };

struct Found {
    uint16_t attribute;
    uint64_t value = 0;
    bool any = false;
};

int take(const nlattr *attr, void *data) {
    auto *found = static_cast<Found *>(data);
    if (mnl_attr_get_type(attr) != found->attribute) return MNL_CB_OK;
    found->any = true;
    found->value =
        mnl_attr_get_payload_len(attr) == 8 ? mnl_attr_get_u64(attr) : mnl_attr_get_u16(attr);
    return MNL_CB_OK;
}

int take_message(const nlmsghdr *message, void *data) {
    return mnl_attr_parse(message, sizeof(genlmsghdr), take, data);
}

nlmsghdr *request(std::span<char> buffer, uint16_t family, uint8_t command) {
    nlmsghdr *message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = family;
    message->nlmsg_flags = NLM_F_REQUEST;
    auto *header =
        static_cast<genlmsghdr *>(mnl_nlmsg_put_extra_header(message, sizeof(genlmsghdr)));
    header->cmd = command;
    header->version = 1;
    return message;
}

/// One question, one answer; nothing when the kernel has none.
std::optional<uint64_t> ask(mnl_socket *socket, nlmsghdr *message, uint16_t attribute) {
    char answer[8192];
    Found found{attribute};
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return std::nullopt;
    ssize_t size = mnl_socket_recvfrom(socket, answer, sizeof(answer));
    if (size < 0 || mnl_cb_run(answer, static_cast<size_t>(size), 0, mnl_socket_get_portid(socket),
                               take_message, &found) < 0)
        return std::nullopt;
    return found.any ? std::optional(found.value) : std::nullopt;
}

std::optional<XdpFeatures> xdp_features(Ifindex index) {
    MnlSocket socket(mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return std::nullopt;
    char buffer[256];
    nlmsghdr *message = request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
    mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, netdev_family);
    std::optional<uint64_t> family = ask(socket.get(), message, CTRL_ATTR_FAMILY_ID);
    if (!family) return std::nullopt;
    message = request(buffer, static_cast<uint16_t>(*family), cmd_dev_get);
    mnl_attr_put_u32(message, attr_ifindex, number(index));
    std::optional<uint64_t> bits = ask(socket.get(), message, attr_xdp_features);
    if (!bits) return std::nullopt;
    auto has = [&](uint64_t wanted) { return (*bits & wanted) == wanted; };
    return XdpFeatures{.receive = has(basic | redirect),
                       .send = has(xmit),
                       .receive_pieces = has(receive_sg),
                       .send_pieces = has(xmit_sg)};
}

} // namespace

NicAbilities abilities(const Link &nic) {
    Ethtool ethtool;
    uint32_t flags = ethtool.flags(nic.name);
    return {.name = nic.name,
            .driver = ethtool.driver(nic.name),
            .mtu = nic.mtu,
            .xdp = xdp_features(nic.index),
            .strips_vlan = (flags & ETH_FLAG_RXVLAN) != 0,
            .merges = (flags & ETH_FLAG_LRO) != 0};
}

void prepare_failover(const std::string &ifname) {
    Ethtool ethtool;
    ethtool.set(ifname, ETHTOOL_SGRO, 1);
    ethtool.set(ifname, ETHTOOL_STXCSUM, 0);
}

} // namespace hitless
