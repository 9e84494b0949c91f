// SPDX-License-Identifier: BSD-2-Clause
//
// Parts of examine_machine(): each adds what it found.
#pragma once

#include "loader/api.hpp"

namespace hitless {

using Findings = std::vector<Finding>;

inline Finding fine(std::string what, std::string detail) {
    return {Finding::Grade::ok, std::move(what), std::move(detail), ""};
}
inline Finding degraded(std::string what, std::string detail, std::string remedy) {
    return {Finding::Grade::degraded, std::move(what), std::move(detail), std::move(remedy)};
}
inline Finding missing(std::string what, std::string detail, std::string remedy) {
    return {Finding::Grade::missing, std::move(what), std::move(detail), std::move(remedy)};
}

/// What mends a controller whose pins are gone; the pairs stay in force meanwhile.
inline constexpr auto restart =
    "systemctl restart hitless, or end it and start `hitless run` again";

/// Whether there is room for what a controller writes.
void examine_room(Findings &);
/// The controller of this namespace, which has so many pairs: whether it works and has descriptors.
void examine_controller(Findings &, size_t pairs);
/// The pairs of this namespace and their controller.
void examine_pairs(Findings &);
/// Of network namespaces that are gone.
void examine_remains(Findings &);
/// Which datapath suits each NIC that is paired or could be, and whether XDP programs of others can
/// run beside ours.
void examine_datapaths(Findings &);
/// What gives NICs names by their MAC alone, which a pair's NICs share.
void examine_names(Findings &);
/// Paravirtual NICs in no pair, and why they are in none.
void examine_nics(Findings &);

} // namespace hitless
