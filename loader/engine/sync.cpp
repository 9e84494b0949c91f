// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/sync.hpp"
#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "loader/engine/filters.hpp"
#include "loader/engine/members.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/if_link.h>

namespace hitless {
namespace {

constexpr uint8_t answer_nothing = 8; // arp_ignore of ip-sysctl.txt

/// Runs a change that a NIC may refuse.
void attempt(Pair &pair, Rtnl &rtnl, const Link &nic, const LinkChange &change, hl_sync what) {
    uint8_t &refused = pair.state().primary_saved.unsynced;
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

void give_mac(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    if (primary.mac == standby.mac || !lacks_mac(primary)) return;
    try {
        program_mac(rtnl, primary, standby.mac);
    } catch (const Error &error) {
        throw Error(error.code(),
                    fmt::format("give {} the MAC {}", primary.name, standby.mac.text()),
                    fmt::format("the NIC refuses it ({})", strerror(error.code())),
                    "have the host assign it (`ip link set PF vf N mac ...`) or trust the VF");
    }
    pair.state().primary_saved.programmed_mac = 1;
}

/// The master's MAC was changed: the echo rule needs the new one, and the primary too. One that
/// refuses is vetoed for it.
void follow_mac(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    hl_pair &state = pair.state();
    if (mac_of(state.mac) == standby.mac) return;
    std::memcpy(state.mac, standby.mac.bytes.data(), sizeof(state.mac));
    if (primary.mac == standby.mac) return;
    try {
        program_mac(rtnl, primary, standby.mac);
        state.primary_saved.programmed_mac = 1;
    } catch (const Error &) { // NOLINT(bugprone-empty-catch)
    }
}

void follow_mtu(Rtnl &rtnl, const Link &standby, const Link &primary) {
    if (standby.mtu == primary.mtu) return;
    try {
        rtnl.change(primary.index, primary.name, {.mtu = standby.mtu});
    } catch (const Error &) { // NOLINT(bugprone-empty-catch): settle() vetoes if it carries less
    }
}

} // namespace

void save_settings(Pair &pair, const Link &primary) {
    hl_saved saved{};
    saved.valid = 1;
    saved.up = primary.up;
    saved.addr_gen_mode = primary.addr_gen_mode;
    saved.mtu = primary.mtu;
    saved.tx_queue_len = primary.tx_queue_len;
    saved.promisc = primary.promisc;
    saved.allmulti = primary.allmulti;
    saved.arp_ignore = primary.arp_ignore;
    pair.state().primary_saved = saved;
}

void prepare_primary(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    // The primary has the master's MAC: left alone, the kernel would give it the same link-local
    // address and fail duplicate detection on one of the two.
    LinkChange silence;
    silence.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
    try {
        rtnl.change(primary.index, primary.name, silence);
    } catch (const Error &error) {
        if (error.code() != EAFNOSUPPORT) throw; // no IPv6 in this kernel: nothing to silence
    }
    attempt(pair, rtnl, primary, {.arp_ignore = answer_nothing}, HL_SYNC_ARP);
    give_mac(pair, rtnl, standby, primary);
    follow_filters(pair, rtnl, standby, primary, rtnl.links());
    if (!primary.up) rtnl.change(primary.index, primary.name, {.up = true});
    follow_master(pair, rtnl, standby, primary);
}

void follow_master(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary) {
    const hl_saved &saved = pair.state().primary_saved;
    follow_mac(pair, rtnl, standby, primary);
    follow_mtu(rtnl, standby, primary);
    if (primary.tx_queue_len != standby.tx_queue_len)
        attempt(pair, rtnl, primary, {.tx_queue_len = standby.tx_queue_len}, HL_SYNC_TX_QUEUE);
    bool promisc = saved.promisc || saved.promisc_for_filters || standby.promiscuity > 0;
    if (primary.promisc != promisc)
        attempt(pair, rtnl, primary, {.promisc = promisc}, HL_SYNC_PROMISC);
    // The kernel tells nobody when the master joins a group: take them all.
    if (!primary.allmulti) attempt(pair, rtnl, primary, {.allmulti = true}, HL_SYNC_MULTICAST);
}

void give_settings_back(Pair &pair, Rtnl &rtnl, const Link &primary) {
    const hl_saved saved = pair.state().primary_saved;
    if (!saved.valid) return;
    give_filters_back(pair, rtnl, primary);
    // Down before our program leaves, so that no frame reaches a stack that is not its own.
    if (!saved.up) rtnl.change(primary.index, primary.name, {.up = false});
    LinkChange back;
    if (primary.mtu != saved.mtu) back.mtu = saved.mtu;
    if (primary.addr_gen_mode != saved.addr_gen_mode) back.addr_gen_mode = saved.addr_gen_mode;
    if (primary.tx_queue_len != saved.tx_queue_len) back.tx_queue_len = saved.tx_queue_len;
    if (primary.promisc != saved.promisc) back.promisc = saved.promisc;
    if (primary.allmulti != saved.allmulti) back.allmulti = saved.allmulti;
    rtnl.change(primary.index, primary.name, back);
    if (primary.arp_ignore != saved.arp_ignore)
        rtnl.change(primary.index, primary.name, {.arp_ignore = saved.arp_ignore});
    Mac own = mac_of(pair.state().primary_id.mac);
    if (saved.programmed_mac && !own.empty() && primary.mac != own) program_mac(rtnl, primary, own);
}

std::vector<std::string> unsynced(const hl_pair &state) {
    std::vector<std::string> out;
    for (size_t bit = 0; bit < std::size(sync_names); bit++)
        if (state.primary_saved.unsynced >> bit & 1) out.emplace_back(sync_names[bit]);
    return out;
}

} // namespace hitless
