// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/settings_sync.hpp"
#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "loader/core/shell_quoted.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/pair/address_filters.hpp"
#include "loader/engine/pair/carrier.hpp"
#include "loader/engine/path/apply_policy.hpp"
#include "loader/kernel/nic/ethtool.hpp"

#include <bit>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <linux/if_link.h>

namespace hitless {
namespace {

constexpr uint8_t answer_nothing = 8; // arp_ignore of ip-sysctl.txt
constexpr std::string_view lro = "rx-lro";

/// A merged frame is larger than the MTU: the next hop of a router or bridge refuses it.
bool passes_on(const Link &master) {
    return master.forwards || (master.master != Ifindex::none && master.master_kind != "vrf");
}

bool merges_frames(const Ethtool &ethtool, const Link &nic) {
    return ethtool.feature(nic.name, lro).value_or(false);
}

/// Runs a change that a NIC may refuse.
void attempt(hl_saved &saved, Rtnl &rtnl, const Link &nic, const LinkChange &change, hl_sync what) {
    uint8_t &refused = saved.unsynced;
    try {
        rtnl.change(nic.index, nic.name, change);
        refused &= ~what;
    } catch (const Error &) {
        refused |= what;
    }
}

/// Some drivers take an address only while they are down.
void program_mac(Rtnl &rtnl, const Link &nic, const Mac &mac) {
    try {
        rtnl.change(nic.index, nic.name, {.mac = mac});
    } catch (const Error &error) {
        if (error.code() != EBUSY || !nic.up) throw;
        rtnl.change(nic.index, nic.name, {.up = false});
        rtnl.change(nic.index, nic.name, {.mac = mac});
        rtnl.change(nic.index, nic.name, {.up = true});
    }
}

void give_mac(hl_saved &saved, Rtnl &rtnl, const Link &master, const Link &nic) {
    if (nic.mac == master.mac || !lacks_mac(nic)) return;
    try {
        program_mac(rtnl, nic, master.mac);
    } catch (const Error &error) {
        throw Error(error.code(), fmt::format("give {} the MAC {}", nic.name, master.mac.text()),
                    fmt::format("the NIC refuses it ({})", strerror(error.code())),
                    "have the host assign it (`ip link set PF vf N mac ...`) or trust the VF");
    }
    saved.programmed_mac = 1;
}

/// The master's MAC was changed: the NIC needs it, too. A primary that refuses is vetoed for it.
void follow_mac(hl_saved &saved, Rtnl &rtnl, const Link &master, const Link &nic) {
    if (nic.mac == master.mac) return;
    try {
        program_mac(rtnl, nic, master.mac);
        saved.programmed_mac = 1;
    } catch (const Error &) { // NOLINT(bugprone-empty-catch)
    }
}

void follow_mtu(Rtnl &rtnl, const Link &master, const Link &nic) {
    if (master.mtu == nic.mtu) return;
    try {
        rtnl.change(nic.index, nic.name, {.mtu = master.mtu});
    } catch (
        const Error &) { // NOLINT(bugprone-empty-catch): apply_policy() vetoes if it carries less
    }
}

bool wants_promisc(const hl_saved &saved, const Link &master) {
    return saved.promisc || saved.promisc_for_filters || master.promiscuity > 0;
}

/// One setting of a NIC that differs from what it should be.
struct Difference {
    hl_sync what;
    LinkChange change;   ///< that mends it
    std::string command; ///< likewise
};

std::vector<Difference> differences(const hl_saved &saved, const Link &master, const Link &nic) {
    std::vector<Difference> out;
    if (nic.tx_queue_len != master.tx_queue_len)
        out.push_back({HL_SYNC_TX_QUEUE,
                       {.tx_queue_len = master.tx_queue_len},
                       fmt::format("ip link set {} txqueuelen {}", shell_quoted(nic.name),
                                   master.tx_queue_len)});
    const bool promisc = wants_promisc(saved, master);
    if (nic.promisc != promisc)
        out.push_back({HL_SYNC_PROMISC,
                       {.promisc = promisc},
                       fmt::format("ip link set {} promisc {}", shell_quoted(nic.name),
                                   promisc ? "on" : "off")});
    // The kernel tells nobody when the master joins a group: take them all.
    if (!nic.allmulti)
        out.push_back({HL_SYNC_MULTICAST,
                       {.allmulti = true},
                       fmt::format("ip link set {} allmulticast on", shell_quoted(nic.name))});
    if (nic.arp_ignore != answer_nothing)
        out.push_back({HL_SYNC_ARP,
                       {.arp_ignore = answer_nothing},
                       fmt::format("sysctl -w net/ipv4/conf/{}/arp_ignore={}",
                                   shell_quoted(nic.name), answer_nothing)});
    return out;
}

/// What the kernel switches off on a device that forwards, it leaves on where the frames come in.
void follow_forwarding(hl_saved &saved, const Link &master, const Link &nic) {
    if (!passes_on(master) && !saved.lro_off) return;
    Ethtool ethtool;
    if (passes_on(master) && merges_frames(ethtool, nic))
        saved.lro_off = ethtool.set_feature(nic.name, lro, false);
    else if (!passes_on(master) && ethtool.set_feature(nic.name, lro, true))
        saved.lro_off = 0;
}

/// It has the master's MAC, so the addresses that it would make are the master's.
bool makes_addresses(const Link &nic) {
    return nic.has_ipv6 && nic.addr_gen_mode != IN6_ADDR_GEN_MODE_NONE;
}

/// What a NIC of this namespace begins with; the kernel's own choice where it is not to be seen.
uint8_t default_of(std::string_view family, std::string_view name) {
    std::ifstream file(fmt::format("/proc/sys/net/{}/conf/default/{}", family, name));
    unsigned value = 0;
    return file >> value ? static_cast<uint8_t>(value) : 0;
}

/// In the NIC's namespace.
void follow(hl_saved &saved, Rtnl &rtnl, const Link &master, const Link &nic) {
    follow_mtu(rtnl, master, nic);
    for (const Difference &difference : differences(saved, master, nic))
        attempt(saved, rtnl, nic, difference.change, difference.what);
    if (makes_addresses(nic)) rtnl.change_addr_gen_mode(nic, IN6_ADDR_GEN_MODE_NONE);
    follow_forwarding(saved, master, nic);
}

/// NICs that follow the master; in some models the standby is the master itself.
template <typename Step>
void each_follower(hl_pair &state, const Members &members, Step step) {
    if (members.primary && state.primary_saved.valid) step(state.primary_saved, *members.primary);
    if (members.standby && state.standby_saved.valid) step(state.standby_saved, *members.standby);
}

} // namespace

void save_settings(hl_saved &to, const Link &nic) {
    hl_saved saved{};
    saved.valid = HL_SAVED_HERE;
    saved.up = nic.up;
    saved.addr_gen_mode = nic.addr_gen_mode;
    saved.mtu = nic.mtu;
    saved.tx_queue_len = nic.tx_queue_len;
    saved.promisc = nic.promisc;
    saved.allmulti = nic.allmulti;
    saved.arp_ignore = nic.arp_ignore;
    to = saved;
}

void prepare_nic(Pair &pair, PairNamespaces &namespaces, hl_role role, const Link &master,
                 const Link &nic) {
    hl_saved &saved = saved_of(pair.state(), role);
    Rtnl &rtnl = namespaces.rtnl(pair.model().nics);
    // The NIC has the master's MAC: left alone, the kernel would give it the same link-local
    // address and fail duplicate detection on one of the two.
    rtnl.change_addr_gen_mode(nic, IN6_ADDR_GEN_MODE_NONE);
    attempt(saved, rtnl, nic, {.arp_ignore = answer_nothing}, HL_SYNC_ARP);
    give_mac(saved, rtnl, master, nic);
    follow_filters(saved, namespaces, rtnl, master, nic);
    if (!nic.up) rtnl.change(nic.index, nic.name, {.up = true});
    Link silent = nic;
    silent.arp_ignore = answer_nothing;
    silent.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
    follow(saved, rtnl, master, silent);
}

void follow_master(Pair &pair, PairNamespaces &namespaces, const Members &members) {
    if (!members.master) return;
    hl_pair &state = pair.state();
    const Link &master = *members.master;
    Rtnl &rtnl = namespaces.rtnl(pair.model().nics);
    bool new_mac = mac_of(state.mac) != master.mac;
    std::memcpy(state.mac, master.mac.bytes.data(), sizeof(state.mac)); // the echo rule needs it
    each_follower(state, members, [&](hl_saved &saved, const Link &nic) {
        if (new_mac) follow_mac(saved, rtnl, master, nic);
        namespaces.at(pair.model().nics, [&] { follow(saved, rtnl, master, nic); });
    });
    if (std::optional<Link> inner = inner_end(pair, namespaces))
        follow_mtu(namespaces.rtnl(pair.model().inner), master, *inner);
}

void follow_filters(Pair &pair, PairNamespaces &namespaces, const Members &members) {
    if (!members.master) return;
    PairNetns where = pair.model().nics;
    each_follower(pair.state(), members, [&](hl_saved &saved, const Link &nic) {
        namespaces.at(where, [&] {
            follow_filters(saved, namespaces, namespaces.rtnl(where), *members.master, nic);
        });
    });
}

void restore_settings(hl_saved &kept, Rtnl &rtnl, const hl_identity &id, const Link &nic) {
    const hl_saved saved = kept;
    if (!saved.valid) return;
    restore_filters(kept, rtnl, nic);
    if (saved.lro_off) Ethtool().set_feature(nic.name, lro, true);
    // Down before our program leaves, so that no frame reaches a stack that is not its own.
    if (!saved.up) rtnl.change(nic.index, nic.name, {.up = false});
    LinkChange back;
    if (nic.mtu != saved.mtu) back.mtu = saved.mtu;
    if (nic.addr_gen_mode != saved.addr_gen_mode) back.addr_gen_mode = saved.addr_gen_mode;
    if (nic.tx_queue_len != saved.tx_queue_len) back.tx_queue_len = saved.tx_queue_len;
    if (nic.promisc != saved.promisc) back.promisc = saved.promisc;
    if (nic.allmulti != saved.allmulti) back.allmulti = saved.allmulti;
    rtnl.change(nic.index, nic.name, back);
    if (nic.arp_ignore != saved.arp_ignore)
        rtnl.change(nic.index, nic.name, {.arp_ignore = saved.arp_ignore});
    Mac own = mac_of(id.mac);
    if (saved.programmed_mac && !own.empty() && nic.mac != own) program_mac(rtnl, nic, own);
    if (saved.up && !nic.up) rtnl.change(nic.index, nic.name, {.up = true}); // a move took it down
}

bool has_settings_of_a_pair(const Link &nic) {
    return nic.arp_ignore == answer_nothing && nic.allmulti && !makes_addresses(nic);
}

void give_default_settings(Rtnl &rtnl, const Link &nic) {
    rtnl.change_addr_gen_mode(nic, default_of("ipv6", "addr_gen_mode"));
    rtnl.change(nic.index, nic.name,
                {.arp_ignore = default_of("ipv4", "arp_ignore"), .allmulti = false});
}

std::vector<Problem> unlike_master(const hl_saved &saved, const Link &master, const Link &nic) {
    std::vector<Problem> out;
    for (const Difference &difference : differences(saved, master, nic)) {
        bool refused = saved.unsynced & difference.what;
        // More than is needed does no harm.
        if (!refused && difference.what == HL_SYNC_PROMISC && nic.promiscuity) continue;
        out.push_back({fmt::format("{} {} the master's {}", nic.name,
                                   refused ? "refuses to follow" : "does not follow",
                                   sync_names[std::countr_zero<unsigned>(difference.what)]),
                       difference.command});
    }
    if (makes_addresses(nic))
        out.push_back({fmt::format("{} makes IPv6 addresses of its own, and they are those of {}",
                                   nic.name, master.name),
                       fmt::format("ip link set {} addrgenmode none", shell_quoted(nic.name))});
    if (passes_on(master) && merges_frames(Ethtool(), nic))
        out.push_back({fmt::format("{} merges what it receives (LRO), and {} passes it on: frames "
                                   "larger than the MTU get lost",
                                   nic.name, master.name),
                       fmt::format("ethtool -K {} lro off", shell_quoted(nic.name))});
    return out;
}

} // namespace hitless
