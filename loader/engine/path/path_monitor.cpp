// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/path/path_monitor.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/hardware.hpp"

namespace hitless {
namespace {

constexpr Instant learn_again = std::chrono::seconds(5),
                  learn_first = std::chrono::milliseconds(20),
                  list_again = std::chrono::milliseconds(500);

/// The guest's stack heard it at a NIC that is not the device which the guest uses: our program
/// there did not see it (another's ahead of it ended the chain), so the guest's own frames get lost
/// there. Such an answer proves nothing.
bool went_past(const hl_pair &state, Ifindex came_by) {
    if (model_row(state).nics == PairNetns::hidden) return false;
    return came_by != master_of(state) && (came_by == Ifindex{state.primary_id.ifindex} ||
                                           came_by == Ifindex{state.standby_id.ifindex});
}

} // namespace

PathMonitor::PathMonitor(const Pair &pair, const PairNamespaces &namespaces)
    : prober_(pair.model().nics == PairNetns::hidden && namespaces.has(PairNetns::hidden)
                  ? namespaces.fd(PairNetns::hidden)
                  : -1) {}

void PathMonitor::stop() {
    prover_ = {};
    primary_ = Ifindex::none;
    usable_ = false;
    answers_ = completes_ = true;
    again_.reset();
}

void PathMonitor::observe(Pair &pair, PairNamespaces &namespaces, const Members &members,
                          Observation &seen) {
    const Link &primary = *members.primary;
    const hl_pair &state = pair.state();
    if (primary_ != primary.index) answers_ = true;
    if (!answers_) answers_ = answers_on_bus(primary.bus);
    primary_ = primary.index;
    usable_ = seen.usable && answers_;
    step(pair, namespaces);
    seen.answers = answers_;
    seen.completes = completes_;
    seen.path = prover_.verdict();
    if (state.reselect != HL_RESELECT_BETTER) return;
    namespaces.at(pair.model().nics, [&] {
        std::optional<uint32_t> theirs = link_speed(members.standby->name),
                                its = link_speed(primary.name);
        seen.faster = !theirs || !its || *its > *theirs;
    });
}

bool PathMonitor::tick(Pair &pair, PairNamespaces &namespaces) {
    PathVerdict before = prover_.verdict();
    step(pair, namespaces);
    return prover_.verdict() != before || !answers_;
}

void PathMonitor::step(Pair &pair, PairNamespaces &namespaces) {
    hl_pair &state = pair.state();
    Probing how = policy_of(state).probing;
    prober_.read([&](const Prober::Answer &answer) {
        if (went_past(state, answer.came_by)) return;
        prover_.answered(answer.second_path ? Side::standby : Side::primary, answer.asked, now());
    });
    // Where frames enter a failover device by redirect_peer the kernel still shows them to sockets
    // of the NIC, and that would cost each of them.
    prober_.watch(usable_ && !pair.model().has_failover ? primary_ : Ifindex::none);
    if (prober_.strayed()) prover_.refute();
    Instant at = now();
    if (usable_ && how.interval.count() &&
        at - learnt_ >= (prober_.ways() && !prober_.unresolved() ? learn_again : learn_first))
        learn(pair, namespaces.rtnl(PairNetns::guest), at);
    hl_counters counted = pair.counters();
    Prover::Actions actions = prover_.step(how,
                                           {.usable = usable_,
                                            .ways = prober_.ways(),
                                            .veto = pair.view().veto(),
                                            .sent = counted.frames[HL_COUNT_TX_PRIMARY],
                                            .received = counted.frames[HL_COUNT_RX_PRIMARY],
                                            .unresolved = prober_.unresolved(),
                                            .completes = completes_},
                                           at);
    again_ = actions.again;
    if (actions.doubted_since) examine(pair, namespaces, *actions.doubted_since);
    if (actions.next_target) prober_.next_target();
    if (actions.ask_primary && !prober_.ask(primary_, false, at)) prover_.not_sent(Side::primary);
    if (actions.ask_standby) prober_.ask(Ifindex{state.standby_id.ifindex}, true, at);
    if (prover_.evident())
        state.proof = HL_PROOF_ANSWER;
    else if (prover_.verdict() != PathVerdict::proved)
        state.proof = HL_PROOF_NONE;
    if (actions.wake_on_frame) pair.view().wake_on_frame(true);
}

void PathMonitor::learn(const Pair &pair, Rtnl &guest, Instant at) {
    const hl_pair &state = pair.state();
    learnt_ = at;
    if (at - listed_ >= list_again) {
        listed_ = at;
        stations_ = stations(guest.links(), master_of(state), mac_of(state.mac)).own;
    }
    prober_.learn(guest, stations_);
}

/// A question was not answered. Is the device still there, and does it send at all?
void PathMonitor::examine(Pair &pair, PairNamespaces &namespaces, Instant doubted_since) {
    std::optional<Link> primary = namespaces.rtnl(pair.model().nics).link(primary_);
    if (!primary) return; // the link event is on its way
    answers_ = answers_on_bus(pair.state().primary_id.bus);
    if (examined_ != doubted_since) completed_ = primary->tx_packets;
    examined_ = doubted_since;
    completes_ = primary->tx_packets != completed_;
}

} // namespace hitless
