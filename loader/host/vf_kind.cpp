// SPDX-License-Identifier: BSD-2-Clause
#include "loader/host/vf_kind.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace hitless {
namespace {

/// By what the drivers do in Linux 6.18 when they are told `ip link set PF vf N mac ADDRESS`. A
/// driver that is not here is one that nobody has read.
struct Driver {
    std::string_view name;
    VfKind kind;
};
constexpr Driver drivers[] = {
    // igb_set_vf_mac() and ixgbe_set_vf_mac() write the NIC's filter; the VF is not told.
    {"igb", VfKind::late},
    {"ixgbe", VfKind::late},
    // The VF's own driver asks for the filter (esw_update_vport_addr_list()).
    {"mlx5_core", VfKind::early},
    // i40e_ndo_set_vf_mac() and ice_set_vf_mac() reset the VF, and the PF asks for the filter by
    // itself when that is done (ice_vf_rebuild_host_mac_cfg()), whoever is bound to the VF.
    {"i40e", VfKind::by_guest},
    {"ice", VfKind::by_guest},
};

} // namespace

const char *name(VfKind kind) {
    switch (kind) {
    case VfKind::early: return "early";
    case VfKind::late: return "late";
    case VfKind::by_guest: return "guest";
    case VfKind::unknown: return "unknown";
    }
    return "?";
}

VfKind vf_kind(std::string_view driver) {
    const auto *found = std::ranges::find(drivers, driver, &Driver::name);
    return found == std::end(drivers) ? VfKind::unknown : found->kind;
}

std::string why(VfKind kind, std::string_view driver) {
    switch (kind) {
    case VfKind::early:
        return fmt::format("{} filters for a VF's address only while a driver has the VF", driver);
    case VfKind::late:
        return fmt::format("{} filters for a VF's address as soon as it is set, and resets nothing",
                           driver);
    case VfKind::by_guest:
        return fmt::format("{} resets a VF whose address is set, and filters for it before a "
                           "driver has the VF: frames would be lost",
                           driver);
    case VfKind::unknown: break;
    }
    return driver.empty()
               ? "its driver does not tell its name"
               : fmt::format("what {} does with a VF's address is not known here", driver);
}

Mac placeholder_of(const Mac &guest) {
    constexpr uint8_t local = 0x02, other = 0x80;
    Mac out = guest;
    out.bytes[0] = static_cast<uint8_t>((out.bytes[0] | local) ^ other);
    return out;
}

} // namespace hitless
