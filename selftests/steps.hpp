// SPDX-License-Identifier: BSD-2-Clause
//
// A command that dies by kill -9 between two of its steps: the system calls by which it changes
// what is pinned, attached or published. None is left out, and none is named by the product.
//
//   for (unsigned n = 1; !(step = die_before(command, "upgrade-", n)).empty(); n++) ...
#pragma once

#include <string>
#include <vector>

namespace hitless::selftest {

/// Runs a command and kills it when it is about to do step `n`, counted from 1 at the creation of a
/// directory whose path contains `from`. Returns which step that was; "" when it ended before.
std::string die_before(const std::vector<std::string> &command, const std::string &from,
                       unsigned n);

} // namespace hitless::selftest
