// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/leave_primary.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/engine/path/host_link.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/wire/announce.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>

namespace hitless {
namespace {

/// How long the primary still delivers what the network had sent towards it.
constexpr auto drain = std::chrono::milliseconds(20);
/// A host speaks once a second, and its own commands may take two.
constexpr auto patience = std::chrono::seconds(3);
constexpr auto look_gap = std::chrono::milliseconds(1);

bool delivers_to_primary(const Pair &pair) {
    const volatile hl_host &host = pair.state().host;
    return host.since_ns && host.downlink == HL_CHANNEL_PATH_PRIMARY;
}

bool speaks(const Pair &pair) {
    const volatile hl_host &host = pair.state().host;
    return Instant(host.lease_end_ns) > now();
}

/// As long as it has something to wait for: somebody else speaks with the host.
void wait_for_controller(const Pair &pair, Instant deadline) {
    while (delivers_to_primary(pair) && speaks(pair) && now() < deadline)
        sleep_until(now() + look_gap);
}

/// Nobody else does.
void speak_with_host(Pair &pair, PairNamespaces &namespaces, Instant deadline) {
    HostLink link(pair, namespaces);
    link.observe(pair, read_members(namespaces, pair));
    while (delivers_to_primary(pair) && now() < deadline) {
        link.step(pair, namespaces);
        const Instant until = std::min(link.again().value_or(deadline), deadline);
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now());
        pollfd heard{.fd = link.fd(), .events = POLLIN, .revents = 0};
        poll(&heard, 1, static_cast<int>(std::max<int64_t>(ms.count(), 0)));
    }
}

void note_deaf_host(const Pair &pair, const Note &note) {
    if (!note) return;
    note(fmt::format("{}: the host delivered to the primary when it was last heard, and does not "
                     "answer; what it sends there may be lost. See that its daemon runs there "
                     "(`systemctl start hitless-host`), or free the guest by hand: "
                     "`bridge fdb del {} dev PORT master`",
                     pair.state().standby_id.ifname, mac_of(pair.state().mac).text()));
}

} // namespace

void leave_primary(Pair &pair, Rtnl &rtnl) {
    const hl_pair &state = pair.state();
    auto when = static_cast<uint64_t>(now().count());
    if (pair.view().set_veto(HL_VETO(OPERATOR), HL_ACTOR_OPERATOR, when) != 0) return;
    Announcer announcer;
    announcer.learn(rtnl, stations(rtnl.links(), master_of(state), mac_of(state.mac)),
                    policy_of(state).announce);
    announcer.send();
    sleep_until(now() + drain);
}

void leave_primary_with_host(const StateDir &dir, Rtnl &rtnl, const std::string &name,
                             const Note &note) {
    try {
        Pair pair = Pair::open(dir.path(name));
        if (!delivers_to_primary(pair)) return;
        PairNamespaces namespaces(rtnl, pair.state().failover.netns);
        if (!read_members(namespaces, pair).primary) return;
        leave_primary(pair, rtnl);
        pair.ring_bell();
        const Instant deadline = now() + patience;
        if (is_controlled())
            wait_for_controller(pair, deadline);
        else
            speak_with_host(pair, namespaces, deadline);
        if (delivers_to_primary(pair))
            note_deaf_host(pair, note);
        else
            sleep_until(now() + drain);
    } catch (const Error &) { // NOLINT(bugprone-empty-catch): the broken are detached all the same
    }
}

} // namespace hitless
