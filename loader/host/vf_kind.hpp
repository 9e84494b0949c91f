// SPDX-License-Identifier: BSD-2-Clause
//
// When the host may give a legacy SR-IOV virtual function (VF) its guest's address, which differs
// by the driver of the physical function (PF). Pure.
#pragma once

#include "loader/core/types.hpp"

#include <string>
#include <string_view>

namespace hitless {

enum class VfKind {
    early,    ///< before it is plugged: the NIC filters for it only while a driver has asked
    late,     ///< when the guest receives by it: the NIC filters for it at once
    by_guest, ///< never: a change resets the VF, and the NIC filters for it at once. Refused
    unknown   ///< Refused
};
const char *name(VfKind);

/// `driver`: as ethtool tells it of the PF.
VfKind vf_kind(std::string_view driver);

/// What makes it of that kind, as a clause that can follow a colon.
std::string why(VfKind, std::string_view driver);

/// The address of a VF of the kind `late` while its guest does not receive by it: unicast, locally
/// administered, never the guest's own, and the same each time.
Mac placeholder_of(const Mac &guest);

} // namespace hitless
