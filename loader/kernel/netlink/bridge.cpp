// SPDX-License-Identifier: BSD-2-Clause
#include "loader/kernel/netlink/bridge.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/netlink/message.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <libmnl/libmnl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>

namespace hitless {
namespace {

static_assert(sizeof(MdbEntry::bytes) == sizeof(br_mdb_entry));

template <typename Header>
Header *start(nlmsghdr *&request, char *buffer, int type, int flags) {
    request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = static_cast<uint16_t>(type);
    request->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    return static_cast<Header *>(mnl_nlmsg_put_extra_header(request, sizeof(Header)));
}

/// Those of one type.
template <typename Visit>
void nested(const nlattr *nest, uint16_t type, Visit visit) {
    each_nested(nest, [&](const nlattr *attr) {
        if (mnl_attr_get_type(attr) == type) visit(attr);
    });
}

/// Each VLAN of a port, with its BRIDGE_VLAN_INFO_* flags.
template <typename Visit>
void each_vlan(Rtnl &rtnl, Ifindex port, Visit visit) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    auto *info = start<br_vlan_msg>(request, buffer, RTM_GETVLAN, NLM_F_DUMP);
    info->family = AF_BRIDGE;
    info->ifindex = number(port);
    int error = rtnl.transact(request, [&](const nlmsghdr *message) {
        each_of<br_vlan_msg>(message, [&](const nlattr *entry) {
            if (mnl_attr_get_type(entry) != BRIDGE_VLANDB_ENTRY) return;
            bridge_vlan_info vlan{};
            uint16_t last = 0;
            each_nested(entry, [&](const nlattr *attr) {
                uint16_t type = mnl_attr_get_type(attr);
                if (type == BRIDGE_VLANDB_ENTRY_INFO)
                    vlan = whole<bridge_vlan_info>(attr).value_or(vlan);
                if (type == BRIDGE_VLANDB_ENTRY_RANGE) last = whole<uint16_t>(attr).value_or(0);
            });
            for (uint32_t id = vlan.vid; id && id <= std::max(vlan.vid, last); id++)
                visit(static_cast<uint16_t>(id), vlan.flags);
        });
    });
    if (error) throw Error(error, "list the VLANs of a port");
}

std::optional<FdbEntry> decode_fdb(const nlmsghdr *message) {
    const auto *info = header<ndmsg>(message);
    // Permanent ones are the bridge's own addresses; those of "self" are a device's filter.
    if (!info || info->ndm_family != AF_BRIDGE || info->ndm_state & NUD_PERMANENT) return {};
    FdbEntry out;
    out.port = Ifindex{static_cast<uint32_t>(info->ndm_ifindex)};
    out.fixed = info->ndm_state & NUD_NOARP;
    out.sticky = info->ndm_flags & NTF_STICKY;
    bool of_bridge = false;
    each_of<ndmsg>(message, [&](const nlattr *attr) {
        uint16_t type = mnl_attr_get_type(attr);
        if (type == NDA_LLADDR)
            out.mac.bytes = whole<decltype(Mac::bytes)>(attr).value_or(out.mac.bytes);
        if (type == NDA_VLAN) out.vlan = whole<uint16_t>(attr).value_or(0);
        of_bridge |= type == NDA_MASTER;
    });
    return of_bridge && !out.mac.empty() ? std::optional(out) : std::nullopt;
}

void decode_mdb(const nlattr *entry, Ifindex port, std::vector<MdbEntry> &out) {
    each_nested(entry, [&](const nlattr *info) {
        if (mnl_attr_get_type(info) != MDBA_MDB_ENTRY_INFO) return;
        std::optional<decltype(MdbEntry::bytes)> bytes = whole<decltype(MdbEntry::bytes)>(info);
        if (!bytes) return;
        bool of_a_source = false;
        const auto *first = static_cast<const char *>(mnl_attr_get_payload(info));
        each(first + NLA_ALIGN(sizeof(br_mdb_entry)), first + mnl_attr_get_payload_len(info),
             [&](const nlattr *attr) {
                 of_a_source |= mnl_attr_get_type(attr) == MDBA_MDB_EATTR_SOURCE;
             });
        MdbEntry found{*bytes};
        if (!of_a_source && found.port() == port) out.push_back(found);
    });
}

} // namespace

std::optional<FdbEntry> fdb_entry(Rtnl &rtnl, Ifindex bridge, const Mac &mac, uint16_t vlan) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    start<ndmsg>(request, buffer, RTM_GETNEIGH, 0)->ndm_family = AF_BRIDGE;
    mnl_attr_put_u32(request, NDA_MASTER, number(bridge));
    mnl_attr_put(request, NDA_LLADDR, mac.bytes.size(), mac.bytes.data());
    if (vlan) mnl_attr_put_u16(request, NDA_VLAN, vlan);
    std::optional<FdbEntry> out;
    int error = rtnl.transact(request, [&](const nlmsghdr *m) { out = decode_fdb(m); });
    if (error && error != ENOENT) throw Error(error, "ask a bridge where it sends " + mac.text());
    return out;
}

namespace {

/// So many questions cost less than a list of which most is another's.
constexpr size_t few_vlans = 16;

/// Of a bridge's entries those that `wanted` is true for; of one port alone, or of all (`none`).
template <typename Wanted>
std::vector<FdbEntry> list_fdb(Rtnl &rtnl, Ifindex bridge, Ifindex port, Wanted wanted) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    auto *info = start<ifinfomsg>(request, buffer, RTM_GETNEIGH, NLM_F_DUMP);
    info->ifi_family = AF_BRIDGE;
    info->ifi_index = static_cast<int>(number(port));
    if (number(bridge)) mnl_attr_put_u32(request, IFLA_MASTER, number(bridge));
    std::vector<FdbEntry> out;
    int error = rtnl.dump(request, out, [&](const nlmsghdr *m) {
        std::optional<FdbEntry> entry = decode_fdb(m);
        return entry && wanted(*entry) ? entry : std::nullopt;
    });
    if (error && error != ENODEV) throw Error(error, "list what a bridge sends to its ports");
    return out;
}

} // namespace

std::vector<FdbEntry> fdb_entries(Rtnl &rtnl, Ifindex port) {
    return list_fdb(rtnl, Ifindex::none, port,
                    [port](const FdbEntry &entry) { return entry.port == port; });
}

std::map<uint16_t, FdbEntry> fdb_entries(Rtnl &rtnl, Ifindex bridge, const Mac &mac,
                                         std::span<const uint16_t> vlans,
                                         std::span<const Ifindex> ports) {
    std::map<uint16_t, FdbEntry> out;
    const auto is_unknown = [&](uint16_t vlan) { return !out.contains(vlan); };
    const auto many_unknown = [&] {
        return std::ranges::count_if(vlans, is_unknown) > std::ptrdiff_t{few_vlans};
    };
    const auto list = [&](Ifindex port) {
        for (const FdbEntry &entry :
             list_fdb(rtnl, bridge, port, [&](const FdbEntry &e) { return e.mac == mac; }))
            out.emplace(entry.vlan, entry);
    };
    for (Ifindex port : ports)
        if (number(port) && many_unknown()) list(port);
    if (many_unknown()) {
        list(Ifindex::none); // the rest are at other ports, or nowhere
        return out;
    }
    for (uint16_t vlan : vlans)
        if (is_unknown(vlan))
            if (std::optional<FdbEntry> entry = fdb_entry(rtnl, bridge, mac, vlan))
                out.emplace(vlan, *entry);
    return out;
}

namespace {

int change_fdb_entry(Rtnl &rtnl, const FdbEntry &entry, int type, int flags) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    auto *info = start<ndmsg>(request, buffer, type, NLM_F_ACK | flags);
    info->ndm_family = AF_BRIDGE;
    info->ndm_ifindex = static_cast<int>(number(entry.port));
    info->ndm_state = NUD_REACHABLE | (entry.fixed ? NUD_NOARP : 0);
    info->ndm_flags = NTF_MASTER | (entry.sticky ? NTF_STICKY : 0);
    mnl_attr_put(request, NDA_LLADDR, entry.mac.bytes.size(), entry.mac.bytes.data());
    if (entry.vlan) mnl_attr_put_u16(request, NDA_VLAN, entry.vlan);
    return rtnl.transact(request, [](const nlmsghdr *) {});
}

} // namespace

int put_fdb_entry(Rtnl &rtnl, const FdbEntry &entry) {
    return change_fdb_entry(rtnl, entry, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
}

int put_fdb_entries(Rtnl &rtnl, FdbEntry like, std::span<const uint16_t> vlans) {
    const bool in_one =
        vlans.size() > few_vlans && std::ranges::equal(port_vlans(rtnl, like.port), vlans);
    like.vlan = 0;
    if (in_one) return put_fdb_entry(rtnl, like);
    for (uint16_t vlan : vlans) {
        like.vlan = vlan;
        if (int error = put_fdb_entry(rtnl, like)) return error;
    }
    return 0;
}

int remove_fdb_entries(Rtnl &rtnl, const Mac &mac, Ifindex port) {
    const auto left = [&] {
        return list_fdb(rtnl, Ifindex::none, port,
                        [&](const FdbEntry &e) { return e.port == port && e.mac == mac; });
    };
    std::vector<FdbEntry> entries = left();
    if (entries.size() > few_vlans) {
        if (int error = remove_fdb_entry(rtnl, {mac, 0, port})) return error;
        entries = left(); // in VLANs that the port is in no more
    }
    int out = 0;
    for (const FdbEntry &entry : entries)
        if (int error = remove_fdb_entry(rtnl, entry)) out = error;
    return out;
}

int remove_fdb_entry(Rtnl &rtnl, const FdbEntry &entry) {
    int error = change_fdb_entry(rtnl, entry, RTM_DELNEIGH, 0);
    return error == ENOENT ? 0 : error;
}

Ifindex MdbEntry::port() const {
    br_mdb_entry entry;
    memcpy(&entry, bytes.data(), sizeof(entry));
    return Ifindex{entry.ifindex};
}

MdbEntry MdbEntry::at(Ifindex port) const {
    MdbEntry out = *this;
    uint32_t index = number(port);
    memcpy(out.bytes.data() + offsetof(br_mdb_entry, ifindex), &index, sizeof(index));
    out.bytes[offsetof(br_mdb_entry, flags)] = 0; // the kernel's to say
    return out;
}

std::vector<MdbEntry> mdb_entries(Rtnl &rtnl, Ifindex bridge, Ifindex port) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    auto *info = start<br_port_msg>(request, buffer, RTM_GETMDB, NLM_F_DUMP);
    info->family = AF_BRIDGE;
    info->ifindex = number(bridge);
    std::vector<MdbEntry> out;
    int error = rtnl.transact(request, [&](const nlmsghdr *message) {
        const auto *from = header<br_port_msg>(message);
        if (!from || from->ifindex != number(bridge)) return; // older kernels tell of all bridges
        each_of<br_port_msg>(message, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) != MDBA_MDB) return;
            each_nested(attr, [&](const nlattr *entry) { decode_mdb(entry, port, out); });
        });
    });
    // EINTR: changes came between; what is missing is asked for by the guest itself in a while.
    if (error && error != EINTR) throw Error(error, "list a bridge's multicast groups");
    return out;
}

int change_mdb_entry(Rtnl &rtnl, Ifindex bridge, const MdbEntry &entry, bool on) {
    char buffer[256];
    nlmsghdr *request = nullptr;
    auto *info = start<br_port_msg>(request, buffer, on ? RTM_NEWMDB : RTM_DELMDB,
                                    NLM_F_ACK | (on ? NLM_F_CREATE : 0));
    info->family = AF_BRIDGE;
    info->ifindex = number(bridge);
    mnl_attr_put(request, MDBA_SET_ENTRY, entry.bytes.size(), entry.bytes.data());
    int error = rtnl.transact(request, [](const nlmsghdr *) {});
    return error == EEXIST || error == ENOENT ? 0 : error;
}

bool vlan_filtering(Rtnl &rtnl, Ifindex bridge) {
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, bridge);
    bool out = false;
    int error = rtnl.transact(request, [&](const nlmsghdr *message) {
        each_of<ifinfomsg>(message, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) != IFLA_LINKINFO) return;
            nested(attr, IFLA_INFO_DATA, [&](const nlattr *data) {
                nested(data, IFLA_BR_VLAN_FILTERING,
                       [&](const nlattr *on) { out = whole<uint8_t>(on).value_or(0); });
            });
        });
    });
    if (error) throw Error(error, "look up a bridge");
    return out;
}

std::vector<uint16_t> port_vlans(Rtnl &rtnl, Ifindex port) {
    std::vector<uint16_t> out;
    each_vlan(rtnl, port, [&](uint16_t vlan, uint16_t) { out.push_back(vlan); });
    return out;
}

std::optional<uint16_t> port_pvid(Rtnl &rtnl, Ifindex port) {
    std::optional<uint16_t> out;
    each_vlan(rtnl, port, [&](uint16_t vlan, uint16_t flags) {
        if (flags & BRIDGE_VLAN_INFO_PVID) out = vlan;
    });
    return out;
}

PortFlags port_flags(Rtnl &rtnl, Ifindex port) {
    char buffer[256];
    nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, port);
    PortFlags out;
    auto read = [&](const nlattr *attr) {
        bool on = whole<uint8_t>(attr).value_or(0);
        switch (mnl_attr_get_type(attr)) {
        case IFLA_BRPORT_ISOLATED: out.isolated = on; break;
        case IFLA_BRPORT_LOCKED: out.locked = on; break;
        case IFLA_BRPORT_NEIGH_SUPPRESS: out.neigh_suppress = on; break;
        case IFLA_BRPORT_LEARNING: out.learning = on; break;
        case IFLA_BRPORT_UNICAST_FLOOD: out.flood = on; break;
        default: break;
        }
    };
    int error = rtnl.transact(request, [&](const nlmsghdr *message) {
        each_of<ifinfomsg>(message, [&](const nlattr *attr) {
            if (mnl_attr_get_type(attr) != IFLA_LINKINFO) return;
            nested(attr, IFLA_INFO_SLAVE_DATA,
                   [&](const nlattr *data) { each_nested(data, read); });
        });
    });
    if (error) throw Error(error, "look up a port of a bridge");
    return out;
}

} // namespace hitless
