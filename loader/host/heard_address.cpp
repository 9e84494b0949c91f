// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/heard_address.hpp"
#include "loader/kernel/netlink/bridge.hpp"

#include <algorithm>
#include <set>

namespace hitless {
namespace {

bool made_for(const Link &tap, const Mac &guest) {
    return tap.mac.bytes[0] == 0xfe &&
           std::equal(tap.mac.bytes.begin() + 1, tap.mac.bytes.end(), guest.bytes.begin() + 1);
}

std::set<Mac> heard_on(Rtnl &rtnl, const Link &port) {
    std::set<Mac> out; // in whatever VLANs
    for (const FdbEntry &entry : fdb_entries(rtnl, port.index))
        out.insert(entry.mac);
    return out;
}

} // namespace

std::optional<Mac> heard_instead(Rtnl &rtnl, const GuestSpec &guest) {
    std::optional<Link> tap = rtnl.link(guest.standby), primary = rtnl.link(guest.primary);
    if (!tap || tap->master_kind != "bridge" || made_for(*tap, guest.mac)) return {};
    const std::set<Mac> heard = heard_on(rtnl, *tap);
    if (heard.size() != 1 || heard.contains(guest.mac)) return {};
    // It is heard by its primary, and the tap's one is somebody behind it.
    if (primary && heard_on(rtnl, *primary).contains(guest.mac)) return {};
    return *heard.begin();
}

} // namespace hitless
