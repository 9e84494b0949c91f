// SPDX-License-Identifier: BSD-2-Clause
//
// Whether the guest behind a tap is the one that is described, as far as the bridge has heard.
#pragma once

#include "loader/host/delivery.hpp"

namespace hitless {

/// The only address that the bridge hears on the guest's tap, where that is not the guest's. None
/// where it hears several: a guest that forwards for others has many, and its own may have aged.
/// Nor where the tap was made for the guest's address, as libvirt marks it: fe:..., and the rest is
/// the guest's.
std::optional<Mac> heard_instead(Rtnl &, const GuestSpec &);

} // namespace hitless
