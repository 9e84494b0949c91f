// SPDX-License-Identifier: BSD-2-Clause
//
// A pair in a controller's care: what is open of it, what is remembered between two looks, and who
// is its primary. The loop that looks is the controller's.
#pragma once

#include "loader/api.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/pair/hook_order.hpp"
#include "loader/engine/path/flip_announcer.hpp"
#include "loader/engine/path/host_link.hpp"
#include "loader/engine/path/path_monitor.hpp"
#include "loader/kernel/netlink/rtnl.hpp"
#include "loader/kernel/netns/netns.hpp"

#include <optional>
#include <set>
#include <utility>

namespace hitless {

inline bool is_due(const std::optional<Instant> &at) {
    return at && *at <= now();
}

struct ManagedPair {
    Pair pair;
    PairNamespaces namespaces;
    BellReader bell;
    PathMonitor path_monitor;
    std::optional<HostLink> host_link;        ///< unless it is switched off
    std::optional<LinkMonitor> private_links; ///< of the private namespace, if the NICs are there
    std::optional<Instant> due;               ///< when policy is to be asked again
    std::string refusal;                      ///< why a primary that is there was not taken
    bool reconsider = false;                  ///< a better primary may be there
    bool hooks_changed = true;                ///< others may have changed qdiscs or filters
    std::string last_error;                   ///< said, and not to be said again while it lasts
    uint64_t primary_lost = 0;                ///< its counter when it was last seen in use
    uint64_t counted;                         ///< flips whose cost was looked at
    FlipAnnouncer flip_announcer;
    HookOrder hook_order;

    ManagedPair(Pair &&adopted, Rtnl &guest)
        : pair(std::move(adopted)), namespaces(guest, pair.state().failover.netns),
          bell(pair.bell_fd()), path_monitor(pair, namespaces), counted(pair.view().flips()),
          flip_announcer(pair) {
        if (pair.model().nics == PairNetns::hidden && namespaces.has(PairNetns::hidden))
            namespaces.at(PairNetns::hidden, [&] { private_links.emplace(); });
    }

    /// Whether a device of the guest is one of its.
    bool owns(Ifindex index) const {
        const hl_pair &state = pair.state();
        if (state.failover.outer == number(index)) return true;
        return pair.model().nics == PairNetns::guest &&
               (state.standby_id.ifindex == number(index) ||
                state.primary_id.ifindex == number(index));
    }

    /// The path asks for a look; `heard`: the path monitors, by their fds, that were answered.
    bool is_path_due(const std::set<uint64_t> &heard) const {
        return is_due(path_monitor.again()) ||
               heard.contains(static_cast<uint64_t>(path_monitor.fd()));
    }

    /// Likewise for what the host says. A doubt of its making ends with what the path carries.
    bool is_host_due(const std::set<uint64_t> &heard) const {
        return host_link && (is_due(host_link->again()) || host_link->doubts_primary() ||
                             heard.contains(static_cast<uint64_t>(host_link->fd())));
    }

    HostLink *host() { return host_link ? &*host_link : nullptr; }
};

/// A rule may have changed since the pair was made, or come to stand over another.
void apply_rule(ManagedPair &, const Controller::Options &);

/// Says which part of a rule a living pair does not follow.
void log_unapplied(const ManagedPair &, const Controller::Options &);

/// Lets a vanished primary go, and takes one that appeared, or a better one. `members` has a
/// standby and a master.
void update_primary(ManagedPair &, const Members &, const Note &);

/// What a flip cost, as far as the primary itself has counted.
void record_losses(ManagedPair &);

/// One pair's trouble is noted and leaves the others alone.
template <typename Step>
void logging_errors(const Note &note, Step step) {
    try {
        step();
    } catch (const Error &error) {
        if (note) note(error.what());
    }
}

} // namespace hitless
