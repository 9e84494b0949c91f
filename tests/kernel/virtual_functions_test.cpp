// SPDX-License-Identifier: BSD-2-Clause
//
// Messages about the VFs of a NIC. No kernel here has such a NIC: what is made is taken apart
// again, and what a kernel says to it shows that it understands the form.
#include "loader/kernel/netlink/message.hpp"
#include "loader/kernel/netlink/virtual_functions.hpp"
#include "tests/kernel/room.hpp"

#include <linux/if_link.h>

namespace hitless::test {
namespace {

constexpr Mac some{{0x52, 0x54, 0, 1, 2, 3}};

class Vf : public Room {
  protected:
    static nlattr *put(nlmsghdr *message, const VirtualFunction &vf, bool with_mac) {
        nlattr *info = mnl_attr_nest_start(message, IFLA_VF_INFO);
        ifla_vf_vlan vlan{vf.number, vf.vlan, 0};
        ifla_vf_mac mac{};
        mac.vf = vf.number;
        std::copy(vf.mac.bytes.begin(), vf.mac.bytes.end(), mac.mac);
        mnl_attr_put(message, IFLA_VF_VLAN, sizeof(vlan), &vlan);
        if (with_mac) mnl_attr_put(message, IFLA_VF_MAC, sizeof(mac), &mac);
        mnl_attr_nest_end(message, info);
        return info;
    }
};

TEST_F(Vf, WhatIsAskedForIsWhatADriverWouldTell) {
    char buffer[256];
    nlmsghdr *request = vf_mac_request(buffer, Ifindex{7}, 3, some);
    EXPECT_EQ(decode_virtual_functions(request), (std::vector<VirtualFunction>{{3, some, 0}}));
    EXPECT_EQ(header<ifinfomsg>(request)->ifi_index, 7);
    EXPECT_LE(request->nlmsg_len, sizeof(buffer));
}

TEST_F(Vf, AnAnswerIsTakenApart) {
    char buffer[1024];
    nlmsghdr *message = link_request(buffer, RTM_NEWLINK, 0, Ifindex{7});
    mnl_attr_put_u32(message, IFLA_NUM_VF, 3);
    nlattr *list = mnl_attr_nest_start(message, IFLA_VFINFO_LIST);
    put(message, {0, Mac{}, 0}, true);
    put(message, {1, some, 0}, false); // without an address nobody knows which one it is
    put(message, {2, some, 120}, true);
    mnl_attr_nest_end(message, list);
    EXPECT_EQ(decode_virtual_functions(message),
              (std::vector<VirtualFunction>{{0, Mac{}, 0}, {2, some, 120}}));
    // Cut anywhere: what is left is read, and nothing beyond.
    const uint32_t whole = message->nlmsg_len;
    for (uint32_t length = 0; length <= whole; length++) {
        std::vector<char> cut(buffer, buffer + std::max<size_t>(length, sizeof(nlmsghdr)));
        auto *part = reinterpret_cast<nlmsghdr *>(cut.data());
        part->nlmsg_len = static_cast<uint32_t>(cut.size());
        EXPECT_LE(decode_virtual_functions(part).size(), 2u);
    }
    message->nlmsg_type = RTM_DELLINK;
    EXPECT_TRUE(decode_virtual_functions(message).empty());
}

TEST_F(Vf, AKernelUnderstandsTheForm) {
    say("ip link add nic type veth peer name other");
    const Ifindex nic = rtnl().link("nic")->index;
    EXPECT_TRUE(virtual_functions(rtnl(), nic).empty());
    // Not EINVAL, as for what it cannot read: the driver has no VFs.
    EXPECT_EQ(set_vf_mac(rtnl(), nic, 0, some), EOPNOTSUPP);
    EXPECT_EQ(set_vf_mac(rtnl(), Ifindex{99}, 0, some), ENODEV);
    EXPECT_TRUE(virtual_functions(rtnl(), Ifindex{99}).empty());
}

} // namespace
} // namespace hitless::test
