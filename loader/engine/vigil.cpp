// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/vigil.hpp"
#include "loader/engine/members.hpp"
#include "loader/kernel/hardware.hpp"
#include "loader/kernel/netns.hpp"

namespace hitless {
namespace {

constexpr Instant learn_again = std::chrono::seconds(5),
                  learn_first = std::chrono::milliseconds(20);

} // namespace

void Vigil::rest() {
    prover_ = {};
    primary_ = Ifindex::none;
    usable_ = false;
    answers_ = completes_ = true;
    again_.reset();
}

void Vigil::observe(Pair &pair, Rtnl &rtnl, const Link &standby, const Link &primary,
                    Observation &seen) {
    const hl_pair &state = pair.state();
    if (primary_ != primary.index) answers_ = true;
    if (!answers_) answers_ = answers_on_bus(primary.bus);
    primary_ = primary.index;
    usable_ = seen.usable && answers_;
    step(pair, rtnl);
    seen.answers = answers_;
    seen.completes = completes_;
    seen.path = prover_.belief();
    if (state.reselect == HL_RESELECT_BETTER) {
        std::optional<uint32_t> theirs = link_speed(standby.name), its = link_speed(primary.name);
        seen.faster = !theirs || !its || *its > *theirs;
    }
}

bool Vigil::tick(Pair &pair, Rtnl &rtnl) {
    Belief before = prover_.belief();
    step(pair, rtnl);
    return prover_.belief() != before || !answers_;
}

void Vigil::step(Pair &pair, Rtnl &rtnl) {
    const hl_pair &state = pair.state();
    Ifindex master{state.standby_id.ifindex};
    Probing how = policy_of(state).probing;
    prober_.read([&](bool second_path, Instant asked) {
        prover_.answered(second_path ? Side::standby : Side::primary, asked, now());
    });
    Instant at = now();
    if (usable_ && how.interval.count() &&
        at - learnt_ >= (prober_.has_target() ? learn_again : learn_first)) {
        learnt_ = at;
        prober_.learn(rtnl, master, mac_of(state.mac));
    }
    hl_counters counted = pair.counters();
    Prover::Orders orders = prover_.step(how,
                                         {.usable = usable_,
                                          .has_target = prober_.has_target(),
                                          .veto = pair.view().veto(),
                                          .sent = counted.frames[HL_COUNT_TX_PRIMARY],
                                          .received = counted.frames[HL_COUNT_RX_PRIMARY]},
                                         at);
    again_ = orders.again;
    if (orders.suspicious) examine(pair, rtnl);
    if (orders.next_target) prober_.next_target();
    if (orders.ask_primary) prober_.ask(primary_, false, at);
    if (orders.ask_standby) prober_.ask(master, true, at);
    if (orders.wake_on_frame) pair.view().wake_on_frame(true);
}

/// A question was not answered. Is the device still there, and does it send at all?
void Vigil::examine(Pair &pair, Rtnl &rtnl) {
    std::optional<Link> primary = rtnl.link(primary_);
    if (!primary) return; // the link event is on its way
    answers_ = answers_on_bus(pair.state().primary_id.bus);
    if (examined_ != prover_.doubted_since()) completed_ = primary->tx_packets;
    examined_ = prover_.doubted_since();
    completes_ = primary->tx_packets != completed_;
}

} // namespace hitless
