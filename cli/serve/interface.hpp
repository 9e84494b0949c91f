// SPDX-License-Identifier: BSD-2-Clause
//
// The interfaces of the control socket in Varlink's own language, as clients ask for them.
#pragma once

#include <string_view>
#include <utility>

namespace hitless::cli {

inline constexpr std::string_view service_interface = R"(# What every Varlink service has.
interface org.varlink.service

method GetInfo() -> (
  vendor: string, product: string, version: string, url: string, interfaces: []string
)
method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
)";

inline constexpr std::string_view hitless_interface =
    R"(# Pairs of a standby NIC and its passthrough primary in one network namespace.
interface io.hitless

type Nic (
  ifname: string, ifindex: int, mac: string, bus: string,
  present: bool, up: bool, carrier: bool, mtu: int
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
  carrier: string
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

inline constexpr std::pair<std::string_view, std::string_view> interfaces[] = {
    {"org.varlink.service", service_interface},
    {"io.hitless", hitless_interface},
};

} // namespace hitless::cli
