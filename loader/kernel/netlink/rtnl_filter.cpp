// SPDX-License-Identifier: BSD-2-Clause
//
// A device's own filter of unicast addresses, through the bridge's forwarding database: for a
// device that is no bridge, "self" entries are its list (ndo_dflt_fdb_add() in
// net/core/rtnetlink.c).
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/decode.hpp"
#include "loader/kernel/netlink/rtnl.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

namespace hitless {

std::vector<Mac> Rtnl::filter(Ifindex index) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETNEIGH;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    // Not ndmsg: only by this header do all kernels tell one device's alone.
    auto *info = static_cast<ifinfomsg *>(mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)));
    info->ifi_family = AF_BRIDGE;
    info->ifi_index = static_cast<int>(number(index));
    std::vector<Mac> out;
    int error =
        dump(request, out, [index](const nlmsghdr *m) { return decode_filter_address(m, index); });
    if (error && error != ENODEV) throw Error(error, "list address filters");
    return out;
}

void Rtnl::change_filter(Ifindex index, std::string_view shown, const Mac &mac, bool on) {
    char buffer[256];
    nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = on ? RTM_NEWNEIGH : RTM_DELNEIGH;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (on ? NLM_F_CREATE | NLM_F_EXCL : 0);
    auto *entry = static_cast<ndmsg *>(mnl_nlmsg_put_extra_header(request, sizeof(ndmsg)));
    entry->ndm_family = AF_BRIDGE;
    entry->ndm_ifindex = static_cast<int>(number(index));
    entry->ndm_state = NUD_PERMANENT;
    entry->ndm_flags = NTF_SELF;
    mnl_attr_put(request, NDA_LLADDR, mac.bytes.size(), mac.bytes.data());
    int error = transact(request, [](const nlmsghdr *) {});
    if (error && error != EEXIST && error != ENOENT && error != ENODEV)
        throw Error(error, fmt::format("have {} let {} through", shown, mac.text()));
}

} // namespace hitless
