// SPDX-License-Identifier: BSD-2-Clause
//
// What a NIC's driver does to and for frames: asked, and for devices of our own changed.
#pragma once

#include "loader/core/native_xdp.hpp"
#include "loader/core/types.hpp"

namespace hitless {

/// Everything that core/native_xdp.hpp judges by. Asks only; attaches nothing. In the caller's
/// namespace.
NicAbilities abilities(const Link &);

/// A veth end that takes XDP frames (generic receive offload) and finishes checksums itself: XDP
/// knows no frames with unfinished ones.
void prepare_failover(const std::string &ifname);

} // namespace hitless
