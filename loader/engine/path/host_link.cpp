// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/path/host_link.hpp"
#include "loader/core/error.hpp"
#include "loader/core/pairing.hpp"
#include "loader/core/siphash.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netlink/qdisc.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <fstream>

namespace hitless {
namespace {

using std::chrono::milliseconds;

// Where the driver counts what it has not sent, only a program that has read the veto word just
// before is waited for; elsewhere as long as a device may keep what it was given.
constexpr Instant counted_grace = milliseconds(2), uncounted_grace = milliseconds(20);
constexpr Instant leave_deadline = milliseconds(150); // below the host's own of 250 ms
constexpr Instant look_gap = milliseconds(2);

/// Which boot this is, to nobody but the guest: 128 random bits.
std::array<uint64_t, 2> boot_id() {
    std::string text;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
    std::erase(text, '-');
    std::array<uint64_t, 2> out{};
    if (text.size() != 32) throw Error(EIO, "read /proc/sys/kernel/random/boot_id");
    std::from_chars(text.data(), text.data() + 16, out[0], 16);
    std::from_chars(text.data() + 16, text.data() + 32, out[1], 16);
    return out;
}

/// The same for all controllers of a pair in one boot of the guest, and of no use to whoever hears
/// that of another pair.
uint64_t nonce_of(const Pair &pair) {
    auto [key0, key1] = boot_id();
    const uint64_t words[] = {pair.state().netns_cookie, pair.id()};
    return std::max<uint64_t>(SipHash(key0, key1)(words), 1);
}

int home_of(const Pair &pair, const PairNamespaces &namespaces) {
    bool hidden = pair.model().nics == PairNetns::hidden && namespaces.has(PairNetns::hidden);
    return hidden ? namespaces.fd(PairNetns::hidden) : -1;
}

uint64_t stamp(Instant at) {
    return static_cast<uint64_t>(at.count());
}

} // namespace

HostLink::HostLink(const Pair &pair, const PairNamespaces &namespaces,
                   std::optional<GuestChannel> before)
    : socket_(home_of(pair, namespaces)),
      channel_(before ? *before : GuestChannel(nonce_of(pair), stamp(now()))) {
    if (socket_.fd() >= 0) heard_.add(socket_.fd(), 0);
}

void HostLink::open_port(const std::string &path) {
    ChannelPort port(path);
    if (port.fd() < 0) return;
    heard_.add_for_edges(port.fd(), 0);
    port_ = std::move(port);
}

bool HostLink::send(const Pair &pair, const ChannelMessage &message) const {
    return by_port_ ? port_->send(message) : socket_.send(mac_of(pair.state().mac), message);
}

void HostLink::observe(const Pair &pair, const Members &members) {
    const std::optional<Link> &standby = members.standby, &primary = members.primary;
    socket_.use(standby ? standby->index : Ifindex::none);
    standby_works_ = standby && standby->usable();
    bool other = primary && (!primary_ || primary_->index != primary->index);
    if (other) slot_ = slot_number(primary->bus);
    if (!primary) slot_ = 0;
    primary_ = primary;
    receives_ = primary && members.master && primary->usable() &&
                (primary->mac == members.master->mac ||
                 may_be_placeholder(selector_of(pair.state()), *primary)) &&
                primary->mtu >= members.master->mtu && pair.state().primary_saved.valid &&
                pair.resolved(HL_ROLE_PRIMARY) && pair.attached(HL_HOOK_INGRESS_PRIMARY);
    again_ = Instant{0};
}

GuestPrimary HostLink::primary(uint64_t veto) const {
    if (!primary_) return GuestPrimary::none;
    bool chosen = !veto || (!(veto & ~HL_VETO_SOFT) && !standby_works_);
    if (chosen && primary_->usable()) return GuestPrimary::in_use;
    return receives_ ? GuestPrimary::ready : GuestPrimary::present;
}

/// What can be known of it: the kernel's queues, the driver's where it counts, and time.
bool HostLink::drained(const Pair &pair, PairNamespaces &namespaces, Instant now) {
    if (!leaving_) leaving_ = Leaving{now};
    if (leaving_->done || !primary_) return true;
    Instant waited = now - leaving_->since;
    if (waited < counted_grace) return false;
    leaving_->done = waited >= leave_deadline;
    if (leaving_->done) return true;
    std::optional<uint64_t> in_flight;
    uint64_t queued = 0;
    namespaces.at(pair.model().nics, [&] {
        in_flight = bytes_in_flight(*primary_);
        queued = queued_frames(namespaces.rtnl(pair.model().nics), primary_->index);
    });
    leaving_->done = !queued && (in_flight ? !*in_flight : waited >= uncounted_grace);
    return leaving_->done;
}

GuestChannel::Input HostLink::input(const Pair &pair, PairNamespaces &namespaces, Instant now) {
    uint64_t veto = pair.view().veto();
    GuestChannel::Input out{.able = !(veto & HL_VETO(OPERATOR)),
                            .primary = primary(veto),
                            .slot = slot_,
                            .vetoed = (veto & HL_VETO(HOST)) != 0,
                            .drained = false};
    if (out.vetoed)
        out.drained = drained(pair, namespaces, now);
    else
        leaving_.reset();
    return out;
}

/// The veto is a level: the word is changed where that changes, so that an operator's choice holds.
bool HostLink::follow(Pair &pair, const GuestChannel::Actions &actions, Instant now) {
    PairView view = pair.view();
    bool stands = view.veto() & HL_VETO(HOST);
    bool before = level_.value_or(stands), changed = false;
    level_ = actions.veto;
    if (actions.unproven && !unproven_) { // before the other is lifted: at no moment is there none
        doubt_ = Doubt{pair.state().primary.stray};
        view.set_veto(HL_VETO(UNPROVEN), HL_ACTOR_CONTROLLER, stamp(now));
        changed = true;
    }
    if (actions.veto && !before && !stands) {
        view.set_veto(HL_VETO(HOST), HL_ACTOR_CONTROLLER, stamp(now));
        changed = true;
    } else if (!actions.veto && before && stands) {
        view.clear_veto(HL_VETO(HOST), HL_ACTOR_CONTROLLER, stamp(now));
        changed = true;
    }
    changed |= resolve_doubt(pair, actions.unproven);
    unproven_ = actions.unproven;
    if (changed) pair.ring_bell();
    return changed;
}

bool HostLink::resolve_doubt(const Pair &pair, bool wanted) {
    if (!doubt_) return false;
    uint64_t veto = pair.view().veto();
    bool stands = veto & HL_VETO(UNPROVEN);
    // An operator knows better. A primary that is worse than unproven is not.
    bool overruled = doubt_->stood && !(veto & ~HL_VETO_CHOSEN);
    uint32_t stray = *static_cast<const volatile uint32_t *>(&pair.state().primary.stray);
    bool heard = stray && stray != doubt_->stray;
    doubt_->stood = stands;
    if (wanted && !overruled && !heard) return false;
    doubt_.reset();
    return true;
}

void HostLink::hear(hl_host &told, Instant now) {
    heard_.ready([](uint64_t) {}); // what has no end, as a port that is hung up, is told once
    auto take = [&](const DecodedMessage &message, bool by_port) {
        bool sound = message.fault == MessageFault::none;
        bool counts = sound && channel_.hear(message.message, now);
        // Somebody whom we do not obey does not lead our answers away from who is.
        if (counts || (sound && !channel_.host())) by_port_ = by_port;
        (counts ? told.heard : told.ignored)++;
        if (counts) told.heard_ns = stamp(now);
    };
    socket_.read([&](const DecodedMessage &message) { take(message, false); });
    if (port_) port_->read([&](const DecodedMessage &message) { take(message, true); });
}

/// For those who look at the pair; and as a line of the log where it is new.
bool HostLink::write_down(hl_host &told, Instant now) {
    const GuestStatement &said = channel_.said();
    told.able = said.able;
    told.primary = static_cast<uint8_t>(said.primary);
    told.slot = said.slot;
    const HostStatement *host = channel_.host();
    if (std::exchange(spoke_, host != nullptr) && !host) {
        told.lease_end_ns = stamp(now);
        news_ = "the host has fallen silent";
    }
    if (!host) return false;
    told.lease_end_ns = stamp(*channel_.lease_end());
    auto want = static_cast<uint8_t>(host->want), downlink = static_cast<uint8_t>(host->downlink);
    if (told.since_ns && told.want == want && told.downlink == downlink) return false;
    const bool moved = told.downlink != downlink;
    told.want = want;
    told.downlink = downlink;
    told.since_ns = stamp(now);
    news_ = fmt::format("the host wants the {} and delivers by the {}", name(host->want),
                        name(host->downlink));
    return moved;
}

bool HostLink::knows_address(const Pair &pair) const {
    const hl_host &told = pair.state().host;
    bool delivered = told.since_ns && told.downlink == HL_CHANNEL_PATH_PRIMARY;
    return delivered || pair.view().veto() & HL_VETO(HOST);
}

bool HostLink::step(Pair &pair, PairNamespaces &namespaces) {
    Instant at = now();
    hl_host &told = pair.state().host;
    hear(told, at);
    bool changed = false;
    GuestChannel::Actions actions;
    for (bool again = true; again; changed |= again) {
        actions = channel_.step(input(pair, namespaces, at), at);
        again = follow(pair, actions, at) && !changed;
        if (actions.send) told.sent += send(pair, *actions.send);
    }
    changed |= write_down(told, at);
    again_ = actions.again;
    if (channel_.host() && leaving_ && !leaving_->done)
        again_ = std::min(again_.value_or(at + look_gap), at + look_gap);
    return changed;
}

void forget_host(Pair &pair) {
    if (!std::exchange(pair.state().host.lease_end_ns, 0)) return; // another agent's, if anybody's
    if (!(pair.view().veto() & HL_VETO(HOST))) return;
    pair.view().clear_veto(HL_VETO(HOST), HL_ACTOR_CONTROLLER, stamp(now()));
    pair.ring_bell();
}

} // namespace hitless
