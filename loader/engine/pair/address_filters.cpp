// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/address_filters.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/nic/ethtool.hpp"

#include <algorithm>
#include <cstring>

namespace hitless {
namespace {

// Of 802.1Q and of 802.1ad tags.
constexpr std::string_view vlan_filters[] = {"rx-vlan-filter", "rx-vlan-stag-filter"};

std::vector<Mac> added(const hl_saved &saved) {
    std::vector<Mac> out;
    for (unsigned i = 0; i < saved.unicasts; i++)
        out.push_back(mac_of(saved.unicast[i]));
    return out;
}

void remember(hl_saved &saved, const std::vector<Mac> &macs) {
    saved.unicasts = static_cast<uint8_t>(macs.size());
    for (size_t i = 0; i < macs.size(); i++)
        std::memcpy(saved.unicast[i], macs[i].bytes.data(), sizeof(saved.unicast[i]));
}

/// Brings the primary's list to `wanted`, as far as it is ours. False when it will not.
bool let_through(Rtnl &rtnl, const Link &primary, hl_saved &saved, const std::vector<Mac> &wanted) {
    if (wanted.size() > HL_UNICASTS) return false;
    std::vector<Mac> ours = added(saved), has = rtnl.filter(primary.index);
    bool all = true;
    auto change = [&](const Mac &mac, bool on) {
        try {
            rtnl.change_filter(primary.index, primary.name, mac, on);
            on ? ours.push_back(mac) : static_cast<void>(std::erase(ours, mac));
        } catch (const Error &) {
            all = false;
        }
    };
    for (const Mac &mac : added(saved))
        if (std::ranges::find(wanted, mac) == wanted.end()) change(mac, false);
    for (const Mac &mac : wanted)
        if (std::ranges::find(has, mac) == has.end()) change(mac, true);
    remember(saved, ours);
    return all;
}

bool is_vlan_of(const Link &link, Ifindex master) {
    return link.kind == "vlan" && link.lower == master;
}

/// What the master's own filters let through, beside its own address.
struct Passed {
    std::vector<Mac> macs;
    bool vlans;
};

Passed passed_by(Rtnl &guest, const Link &master) {
    Passed out{guest.filter(master.index), false};
    std::erase(out.macs, master.mac);
    std::vector<Link> links = guest.links();
    out.vlans =
        std::ranges::any_of(links, [&](const Link &l) { return is_vlan_of(l, master.index); });
    return out;
}

/// Tags cannot be put into another NIC's filter from outside the kernel: it is switched off while
/// the master has VLANs. False when it stays on.
bool pass_vlans(const Link &primary, hl_saved &saved, bool wanted) {
    if (!wanted && !saved.vlan_filter_off) return true;
    Ethtool ethtool;
    bool all = true;
    for (size_t i = 0; i < std::size(vlan_filters); i++) {
        uint8_t bit = static_cast<uint8_t>(1 << i);
        bool on = ethtool.feature(primary.name, vlan_filters[i]).value_or(false);
        if (wanted && on) {
            bool off = ethtool.set_feature(primary.name, vlan_filters[i], false);
            saved.vlan_filter_off |= off ? bit : 0;
            all &= off;
        } else if (!wanted && saved.vlan_filter_off & bit) {
            ethtool.set_feature(primary.name, vlan_filters[i], true);
        }
    }
    if (!wanted) saved.vlan_filter_off = 0;
    return all;
}

} // namespace

void follow_filters(hl_saved &saved, PairNamespaces &namespaces, Rtnl &rtnl, const Link &master,
                    const Link &nic) {
    Passed wanted = passed_by(namespaces.rtnl(PairNetns::guest), master);
    bool told = let_through(rtnl, nic, saved, wanted.macs);
    told &= pass_vlans(nic, saved, wanted.vlans);
    saved.promisc_for_filters = !told;
}

bool lets_through(PairNamespaces &namespaces, Rtnl &rtnl, const Link &master, const Link &nic) {
    if (nic.promiscuity) return true;
    Passed wanted = passed_by(namespaces.rtnl(PairNetns::guest), master);
    std::vector<Mac> has = rtnl.filter(nic.index);
    for (const Mac &mac : wanted.macs)
        if (std::ranges::find(has, mac) == has.end()) return false;
    if (!wanted.vlans) return true;
    Ethtool ethtool;
    return std::ranges::none_of(vlan_filters, [&](std::string_view filter) {
        return ethtool.feature(nic.name, filter).value_or(false);
    });
}

void restore_filters(hl_saved &saved, Rtnl &rtnl, const Link &nic) {
    let_through(rtnl, nic, saved, {});
    pass_vlans(nic, saved, false);
}

} // namespace hitless
