// SPDX-License-Identifier: BSD-2-Clause
//
// What a bridge knows of its ports: where it sends frames for an address (FDB) or a group (MDB),
// and in which VLANs a port is. Nothing is cached.
#pragma once

#include "loader/kernel/netlink/rtnl.hpp"

#include <array>
#include <map>
#include <span>

namespace hitless {

/// Frames for `mac` in `vlan` (0: of a bridge that knows no VLANs) go to `port`.
struct FdbEntry {
    Mac mac;
    uint16_t vlan = 0;
    Ifindex port = Ifindex::none;
    bool fixed = false;  ///< `static`: does not age
    bool sticky = false; ///< does not move to where the address is heard
    bool operator==(const FdbEntry &) const = default;
};
/// The entry, if there is one; not the bridge's own addresses.
std::optional<FdbEntry> fdb_entry(Rtnl &, Ifindex bridge, const Mac &, uint16_t vlan);
/// All that lead to a port.
std::vector<FdbEntry> fdb_entries(Rtnl &, Ifindex port);
/// An address' entries by VLAN; 0 among them where one was made for all. Few VLANs are asked for
/// one by one, many are read off lists: `ports`, where it is likely to be, first.
std::map<uint16_t, FdbEntry> fdb_entries(Rtnl &, Ifindex bridge, const Mac &,
                                         std::span<const uint16_t> vlans,
                                         std::span<const Ifindex> ports);
/// Makes the entry, or turns the one that is there into it in one step. 0, or the kernel's errno:
/// EINVAL when the port is not in that VLAN.
int put_fdb_entry(Rtnl &, const FdbEntry &);
/// The same in each of these VLANs: in one request where the port is in many, and in no others. No
/// request has a range of VLANs, but one without a VLAN is for each of the port's, and none.
int put_fdb_entries(Rtnl &, FdbEntry like, std::span<const uint16_t> vlans);
/// 0, or the kernel's errno; quiet when there is none.
int remove_fdb_entry(Rtnl &, const FdbEntry &);
/// All of an address that lead to a port, in whatever VLANs.
int remove_fdb_entries(Rtnl &, const Mac &, Ifindex port);

/// A group that a port wants, all sources. The kernel's bytes, which it alone understands.
struct MdbEntry {
    std::array<uint8_t, 28> bytes{}; ///< struct br_mdb_entry
    bool operator==(const MdbEntry &) const = default;
    Ifindex port() const;
    MdbEntry at(Ifindex port) const;
};
std::vector<MdbEntry> mdb_entries(Rtnl &, Ifindex bridge, Ifindex port);
/// 0, or the kernel's errno; quiet when it is so already.
int change_mdb_entry(Rtnl &, Ifindex bridge, const MdbEntry &, bool on);

/// Whether a bridge tells VLANs apart.
bool vlan_filtering(Rtnl &, Ifindex bridge);
/// Those of a port.
std::vector<uint16_t> port_vlans(Rtnl &, Ifindex port);
/// That of frames which come in by it without a tag; nothing: they are dropped.
std::optional<uint16_t> port_pvid(Rtnl &, Ifindex port);

/// What a port does not let through (ip-link(8), `bridge_slave`).
struct PortFlags {
    bool isolated = false, locked = false, neigh_suppress = false;
    bool learning = true; ///< the bridge learns from what comes in by it
    bool flood = true;    ///< it gets frames for addresses that the bridge does not know
};
PortFlags port_flags(Rtnl &, Ifindex port);

} // namespace hitless
