// SPDX-License-Identifier: BSD-2-Clause
//
// Network and mount namespaces, and the clock that goes with events in the kernel.
#pragma once

#include "loader/core/types.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace hitless {

/// Identifies the caller's network namespace for as long as the machine runs; never reused
/// (SO_NETNS_COOKIE, 5.14; net/core/net_namespace.c).
uint64_t netns_cookie();

/// Moves the process into a namespace named as by `ip netns` (or given as a path). Only the network
/// namespace changes, unlike `ip netns exec`, which also replaces /sys.
void enter_netns(std::string_view name);

/// False when not even the mounts of the process that started us can be looked at: what we mounted
/// in our own might end with us.
bool sees_initial_mounts();
/// "" when the caller sees the machine's own mounts, else a path that leads to them.
std::string initial_root();

/// Runs `fn` in a child that shares the machine's own mounts; throws what errno `fn` returns.
void in_initial_mounts(std::string_view action, int (*fn)(const char *), const std::string &arg);

/// "" where what we mount stays; where our mounts end with our command (`ip netns exec`,
/// `unshare --mount`), the process ("/proc/PID") whose mounts its caller has.
std::string lasting_mounts();
/// As in_initial_mounts(), of a process.
void in_mounts_of(const std::string &process, std::string_view action, int (*fn)(const char *),
                  const std::string &arg);

/// CLOCK_BOOTTIME.
Instant now();
void sleep_until(Instant);

} // namespace hitless
