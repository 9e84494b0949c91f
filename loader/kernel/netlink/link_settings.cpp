// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/link_settings.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <linux/if.h>
#include <linux/if_link.h>

namespace hitless {
namespace {

// include/uapi/linux/if_link.h of 6.3 and later.
constexpr uint16_t gso_ipv4_max_size = 63, gro_ipv4_max_size = 64;
constexpr size_t longest_alias = 256; // IFALIASZ

/// What a device has unless somebody or its driver says otherwise (GSO_LEGACY_MAX_SIZE and
/// GSO_MAX_SEGS in include/linux/netdevice.h); 0: it is none of these.
uint32_t usual(uint16_t attribute) {
    switch (attribute) {
    case IFLA_GSO_MAX_SIZE:
    case IFLA_GRO_MAX_SIZE:
    case gso_ipv4_max_size:
    case gro_ipv4_max_size: return 65536;
    case IFLA_GSO_MAX_SEGS: return 65535;
    default: return 0;
    }
}

template <typename Put>
void change(Rtnl &rtnl, Ifindex device, Put put) {
    char buffer[64 + longest_alias];
    nlmsghdr *request = link_request(buffer, RTM_NEWLINK, NLM_F_ACK, device);
    put(request);
    rtnl.transact(request, [](const nlmsghdr *) {});
}

} // namespace

LinkSettings LinkSettings::read(Rtnl &rtnl, Ifindex device) {
    LinkSettings out;
    char buffer[64];
    rtnl.transact(link_request(buffer, RTM_GETLINK, 0, device), [&](const nlmsghdr *m) {
        each_of<ifinfomsg>(m, [&](const nlattr *attr) {
            uint16_t type = mnl_attr_get_type(attr);
            if (type == IFLA_IFALIAS) out.alias_ = mnl_attr_get_str(attr);
            if (uint32_t is = usual(type); is && mnl_attr_get_u32(attr) != is)
                out.sizes_[type] = mnl_attr_get_u32(attr);
        });
    });
    return out;
}

bool is_operational(Rtnl &rtnl, Ifindex device) {
    bool out = false;
    char buffer[64];
    rtnl.transact(link_request(buffer, RTM_GETLINK, 0, device), [&](const nlmsghdr *m) {
        each_of<ifinfomsg>(m, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) != IFLA_OPERSTATE) return;
            uint8_t state = mnl_attr_get_u8(attr);
            out = state == IF_OPER_UP || state == IF_OPER_UNKNOWN;
        });
    });
    return out;
}

void LinkSettings::give(Rtnl &rtnl, Ifindex to) const {
    if (!alias_.empty())
        change(rtnl, to, [&](nlmsghdr *request) {
            mnl_attr_put(request, IFLA_IFALIAS, alias_.size(), alias_.data());
        });
    for (auto [attribute, size] : sizes_)
        change(rtnl, to, [type = attribute, value = size](nlmsghdr *request) {
            mnl_attr_put_u32(request, type, value);
        });
}

} // namespace hitless
