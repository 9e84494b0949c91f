// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/virtual_functions.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/if_link.h>

namespace hitless {

std::vector<VirtualFunction> virtual_functions(Rtnl &rtnl, Ifindex pf) {
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, pf);
    mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
    std::vector<VirtualFunction> out;
    int error =
        rtnl.transact(request, [&](const nlmsghdr *m) { out = decode_virtual_functions(m); });
    if (error && error != ENODEV) throw Error(error, "list the VFs of a NIC");
    return out;
}

nlmsghdr *vf_mac_request(char *buffer, Ifindex pf, uint32_t vf, const Mac &mac) {
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, pf);
    ifla_vf_mac told{};
    told.vf = vf;
    std::copy(mac.bytes.begin(), mac.bytes.end(), told.mac);
    nlattr *list = mnl_attr_nest_start(request, IFLA_VFINFO_LIST);
    nlattr *info = mnl_attr_nest_start(request, IFLA_VF_INFO);
    mnl_attr_put(request, IFLA_VF_MAC, sizeof(told), &told);
    mnl_attr_nest_end(request, info);
    mnl_attr_nest_end(request, list);
    return request;
}

int set_vf_mac(Rtnl &rtnl, Ifindex pf, uint32_t vf, const Mac &mac) {
    char buffer[256];
    return rtnl.transact(vf_mac_request(buffer, pf, vf, mac), [](const nlmsghdr *) {});
}

} // namespace hitless
