// SPDX-License-Identifier: BSD-2-Clause
//
// A configuration against the links of now: which rule means which NIC.
#pragma once

#include "loader/api.hpp"

#include <vector>

namespace hitless {

/// The standby that a rule means among `links`: the first of its names that is there; null if none.
const Link *standby_of(const AttachRequest &, const std::vector<Link> &links);

/// The rule that names this standby; null when only the rule of zero configuration can.
const AttachRequest *rule_of(const Controller::Options &, const std::string &standby);

/// What should be attached now: the rules whose standby is there, then what needs no rule.
std::vector<AttachRequest> wanted_pairs(const Controller::Options &, const std::vector<Link> &);

} // namespace hitless
