// SPDX-License-Identifier: BSD-2-Clause
//
// Parts of examine_machine(): each adds what it found.
#pragma once

#include "loader/hitless.hpp"

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

/// The pairs of this namespace and their controller.
void examine_pairs(Findings &);
/// Which datapath suits each NIC that is paired or could be, and whether XDP programs of others can
/// run beside ours.
void examine_datapaths(Findings &);
/// Paravirtual NICs in no pair, and why they are in none.
void examine_nics(Findings &);

} // namespace hitless
