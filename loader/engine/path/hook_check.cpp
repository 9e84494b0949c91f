// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/path/hook_check.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <poll.h>

namespace hitless {
namespace {

constexpr Instant patience = std::chrono::milliseconds(30); // with each way of asking
constexpr unsigned most_ways = 8;

hl_counter received_by(hl_role role) {
    return role == HL_ROLE_PRIMARY ? HL_COUNT_RX_PRIMARY : HL_COUNT_RX_STANDBY;
}

/// Polls `done`, which is asked once more at the end, whenever `fd` is readable or a moment is
/// over.
template <typename Done>
bool wait_for(int fd, Done done) {
    constexpr int moment_ms = 2;
    for (Instant end = now() + patience; !done();) {
        if (now() >= end) return done();
        pollfd entry{fd, POLLIN, 0};
        poll(&entry, 1, moment_ms);
    }
    return true;
}

int home_of(const Pair &pair, const PairNamespaces &namespaces) {
    return pair.model().nics == PairNetns::hidden ? namespaces.fd(PairNetns::hidden) : -1;
}

} // namespace

HookCheck::HookCheck(const Pair &pair, PairNamespaces &namespaces, const Members &members)
    : pair_(pair), namespaces_(namespaces), members_(members), prober_(home_of(pair, namespaces)) {
    const hl_pair &state = pair.state();
    Rtnl &guest = namespaces.rtnl(PairNetns::guest);
    prober_.learn(guest, stations(guest.links(), master_of(state), mac_of(state.mac)).own);
}

HookCheck::~HookCheck() {
    bool primary = pair_.view().veto() == 0 && members_.primary;
    if (asked_)
        prober_.ask((primary ? members_.primary : members_.standby)->index, !primary, now());
}

uint64_t HookCheck::count(std::initializer_list<hl_counter> which) const {
    hl_counters all = pair_.counters();
    uint64_t sum = 0;
    for (hl_counter one : which)
        sum += all.frames[one];
    return sum;
}

/// A frame that neither ours nor the device has counted was dropped by somebody's policy, who may
/// do so; another kind of frame tells more.
Reached HookCheck::check_egress() {
    const Link &master = *members_.master;
    if (!master.up) return Reached::unknown;
    Rtnl &rtnl = namespaces_.rtnl(PairNetns::guest);
    auto sent = [&] { return count({HL_COUNT_TX_PRIMARY, HL_COUNT_TX_STANDBY}); };
    auto by_device = [&] {
        std::optional<Link> now = rtnl.link(master.index);
        return now ? now->tx_packets : 0;
    };
    Reached out = Reached::unknown;
    for (unsigned ways = std::min(most_ways, std::max(1U, prober_.ways())); ways; ways--) {
        uint64_t ours = sent(), all = by_device();
        if (!prober_.ask_as_guest(master.index, master.mac, now())) return Reached::unknown;
        if (wait_for(prober_.fd(), [&] { return sent() != ours; }))
            out = Reached::yes;
        else if (by_device() != all)
            return Reached::no;
        prober_.next_target();
    }
    return out;
}

bool HookCheck::frames_bypass_egress() {
    constexpr uint64_t few = 3; // questions of a controller's in between
    if (members_.standby->index != members_.master->index || pair_.view().veto()) return false;
    Rtnl &rtnl = namespaces_.rtnl(PairNetns::guest);
    auto past = [&] { // grows by what its driver was given and ours did not send there
        std::optional<Link> standby = rtnl.link(members_.standby->index);
        return (standby ? standby->tx_packets : 0) - count({HL_COUNT_TX_STANDBY});
    };
    uint64_t flips = pair_.view().flips(), before = past();
    poll(nullptr, 0,
         static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(patience).count()));
    uint64_t grown = past() - before;
    return pair_.view().flips() == flips && grown > few && grown < UINT64_MAX / 2;
}

bool HookCheck::frames_end_at_primary() {
    // Longer than what is under way is waited for, in which other frames pass.
    constexpr int least_looks = 15, most_looks = 30, look_ms = 10, at_once = 3;
    constexpr uint64_t few = 3; // in the driver's queue
    if (!members_.primary || pair_.view().veto()) return false;
    // The driver is asked first, and last: what is under way then is not missed.
    uint64_t flips = pair_.view().flips(), driver = sent_by_primary(),
             ours = count({HL_COUNT_TX_PRIMARY});
    uint64_t sent = driver;
    int grown = 0; // a driver that counts once in a second or two is not judged
    for (int i = 0; i < least_looks || (i < most_looks && grown < at_once); i++) {
        poll(nullptr, 0, look_ms);
        uint64_t before = sent;
        sent = sent_by_primary();
        grown += sent != before;
    }
    uint64_t led = count({HL_COUNT_TX_PRIMARY}) - ours;
    wait_for(-1, [&] { return sent_by_primary() - driver >= led; });
    return grown >= at_once && pair_.view().flips() == flips &&
           sent_by_primary() - driver + few < led;
}

bool HookCheck::no_frame_reaches_primary() {
    constexpr unsigned questions = 16, few = 3; // questions of a controller's in between
    constexpr Instant slowest_count = std::chrono::milliseconds(2500);
    const Link &master = *members_.master;
    if (!members_.primary || pair_.view().veto() || !master.up) return false;
    uint64_t flips = pair_.view().flips(), driver = sent_by_primary(),
             ours = count({HL_COUNT_TX_PRIMARY});
    for (unsigned i = 0; i < questions; i++)
        if (!prober_.ask_as_guest(master.index, master.mac, now())) return false;
    auto arrive = [&] {
        return sent_by_primary() - driver + few >= count({HL_COUNT_TX_PRIMARY}) - ours;
    };
    if (wait_for(-1, arrive)) return false; // or they were not led there
    for (Instant end = now() + slowest_count; now() < end;)
        if (wait_for(-1, arrive)) return false;
    return pair_.view().flips() == flips;
}

const Link &HookCheck::nic(hl_role role) const {
    return role == HL_ROLE_PRIMARY ? *members_.primary : *members_.standby;
}

/// As its driver counts.
uint64_t HookCheck::sent_by_primary() const {
    std::optional<Link> now = namespaces_.rtnl(pair_.model().nics).link(members_.primary->index);
    return now ? now->tx_packets : 0;
}

/// As the device itself counts.
uint64_t HookCheck::received(hl_role role) const {
    std::optional<Link> now = namespaces_.rtnl(pair_.model().nics).link(nic(role).index);
    return now ? now->rx_packets : 0;
}

Reached HookCheck::check_ingress(hl_role role) {
    if (!nic(role).usable()) return Reached::unknown;
    bool strayed = false; // a frame reached the guest's stack at the NIC, past ours
    bool is_master = nic(role).index == members_.master->index;
    Ifindex here = pair_.model().nics == PairNetns::guest ? nic(role).index : Ifindex::none;
    auto heard = [&](const Prober::Answer &answer) {
        strayed |= answer.came_by == here && !is_master;
    };
    auto drops = [&] { return count({HL_COUNT_DROP_TWIN, HL_COUNT_DROP_ECHO}); };
    uint64_t before = count({received_by(role)}), dropped = drops(), theirs = received(role);
    auto moved = [&](uint64_t since) {
        prober_.read(heard);
        strayed |= prober_.strayed();
        return count({received_by(role)}) != since;
    };
    // A frame that bpf_redirect_peer() leads away is still heard by sockets of the NIC (orig_dev in
    // net/core/dev.c).
    const bool may_watch = !is_master && !pair_.model().has_failover;
    prober_.watch(may_watch ? nic(role).index : Ifindex::none);
    for (unsigned ways = std::min(most_ways, prober_.ways()); ways; ways--) {
        asked_ = true;
        const uint64_t ours = count({received_by(role)});
        const bool until_now = strayed;
        prober_.ask(nic(role).index, role == HL_ROLE_STANDBY, now());
        wait_for(prober_.fd(), [&] { return moved(ours) || strayed != until_now; });
        prober_.next_target();
    }
    // What moved ours may have been another frame than the answer.
    if (may_watch && !strayed) wait_for(prober_.fd(), [&] { return moved(before) && strayed; });
    prober_.watch(Ifindex::none);
    if (moved(before)) return strayed ? Reached::some : Reached::yes;
    if (strayed || (received(role) != theirs && drops() == dropped)) return Reached::no;
    return Reached::unknown;
}

bool HookCheck::judges_frames_twice() {
    constexpr unsigned questions = 16, few = 3;
    constexpr Instant slowest_count = std::chrono::milliseconds(2500);
    if (!members_.primary || members_.standby->index != members_.master->index) return false;
    auto by_devices = [&] { return received(HL_ROLE_PRIMARY) + received(HL_ROLE_STANDBY); };
    auto judged = [&] {
        return count(
            {HL_COUNT_RX_PRIMARY, HL_COUNT_RX_STANDBY, HL_COUNT_DROP_TWIN, HL_COUNT_DROP_ECHO});
    };
    // The devices are asked first, and last: what comes in meanwhile is no surplus.
    const uint64_t devices = by_devices(), ours = judged(), led = count({HL_COUNT_RX_PRIMARY});
    for (unsigned i = 0; i < questions; i++) {
        asked_ = true;
        prober_.ask(members_.primary->index, false, now());
    }
    auto once = [&] {
        uint64_t came = count({HL_COUNT_RX_PRIMARY}) - led, all = judged() - ours;
        uint64_t received_now = by_devices() - devices;
        return all <= received_now + few || (all - received_now) * 2 <= came;
    };
    if (!wait_for(-1, [&] { return count({HL_COUNT_RX_PRIMARY}) - led > 2 * few; })) return false;
    for (Instant end = now() + slowest_count; now() < end;)
        if (wait_for(-1, once)) return false;
    return true;
}

} // namespace hitless
