// SPDX-License-Identifier: BSD-2-Clause
//
// The interfaces of the control sockets in Varlink's own language, as clients ask for them.
#pragma once

#include <string_view>

namespace hitless::cli {

inline constexpr std::string_view hitless_interface =
    R"(# Pairs of a standby NIC and its passthrough primary in one network namespace.
interface io.hitless

type Nic (
  ifname: string, ifindex: int, mac: string, bus: string,
  present: bool, up: bool, carrier: bool, mtu: int
)

# What the hypervisor says, and what it was told.
type Host (
  # its word holds now
  speaks: bool,
  # unknown | standby | primary
  want: string, downlink: string,
  able: bool,
  # none | present | ready | in-use | left
  told: string,
  slot: int, heard: int, ignored: int, sent: int
)

# As `hitless status -j` has it.
type Pair (
  name: string, model: string, datapath: string,
  # primary | standby
  active: string,
  healthy: bool,
  # reasons not to use the primary
  veto: []string,
  problems: []string,
  liveness: string, selector: string, flips: int,
  primary: Nic, standby: Nic,
  counters: [string]int,
  # the device that the guest uses; empty: the standby
  failover: string,
  hold_down_s: float, up_delay_s: float,
  probe_interval_s: float, probe_rest_s: float, proof_timeout_s: float,
  reselect: string, announce: string,
  # a neighbour has answered by the primary
  proved: bool,
  # keep | follow
  carrier: string,
  # null: no host has ever spoken
  host: ?Host
)

# As `hitless events -j` has it.
type Flip (
  time_s: float, pair: string, from: string, to: string,
  reason: []string, actor: string, lost_frames: ?int, duration_s: ?float
)

method Status(standby: ?string) -> (version: int, pairs: []Pair)

# What the logs still hold, 64 flips a pair. With "more", goes on with each new flip.
method Events() -> (flips: []Flip)

# For root: primary, standby, or auto.
method Switch(standby: string, path: string) -> ()

error NoSuchPair (standby: string)
error TooMany ()
error Failed (message: string)
)";

inline constexpr std::string_view host_interface =
    R"(# A hypervisor's guests: whether each has its primary, and why.
interface io.hitless.Host

# As `hitless host status -j` has it.
type Guest (
  name: string, mac: string, standby: string, primary: string,
  # bridge | vf | exec
  delivery: string,
  # primary | standby
  want: string,
  # waiting | plugging | readying | given | leaving | lingering | unplugging | taken |
  # absent (it runs elsewhere, as far as the bridge has heard)
  phase: string,
  # standby | primary | unknown: where the kernel delivers, as it was read back
  downlink: string,
  as_requested: bool, held: bool, overdue: bool, since_s: float,
  # null: never heard
  silent_s: ?float,
  guest: ?(able: bool, primary: string, slot: int),
  # null: no monitor is configured. plugged: null while it is not known. kept: the last take has
  # failed, since the guest did not release it
  device: ?(plugged: ?bool, migrating: bool, elsewhere: bool, kept: bool),
  problems: []string,
  counters: [string]int
)

# As `hitless host events -j` has it. Durations count from the request.
type Event (
  time_s: float, guest: string,
  # give | take | fallback: the guest lost its primary by itself
  kind: string,
  answered_s: ?float, moved_s: float, overdue: bool, lost_frames: int
)

# problems: files of the configuration that are left out, and why.
method Status(guest: ?string) -> (version: int, guests: []Guest, problems: []string)

# The latest 256; of the guest that has most of them the oldest go first. With "more", goes on with
# each new one.
method Events() -> (events: []Event)

# For root. Return at once; Status says how far it is.
method Give(guest: string) -> ()
method Take(guest: string) -> ()

error NoSuchGuest (guest: string)
error TooMany ()
error Failed (message: string)
)";

} // namespace hitless::cli
