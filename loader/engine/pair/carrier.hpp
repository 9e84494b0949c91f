// SPDX-License-Identifier: BSD-2-Clause
//
// The carrier of a failover device: it has one as long as its inner end is up. By the policy
// `carrier = "follow"` a controller takes the inner end down while neither NIC works, so that
// routing daemons and keepalived notice; without a controller it stays as it was, which is why this
// must be asked for. Models without a failover device have the standby's own carrier.
#pragma once

#include "loader/engine/members/members.hpp"

namespace hitless {

/// The failover device's other end; nothing in models without one, or when it is gone.
std::optional<Link> inner_end(const Pair &, PairNamespaces &);

/// Has the carrier as the policy wants it, for NICs as they are. Throws.
void follow_carrier(Pair &, PairNamespaces &, const Members &);

/// The device has carrier when the controller ends.
void restore_carrier(Pair &, PairNamespaces &);

} // namespace hitless
