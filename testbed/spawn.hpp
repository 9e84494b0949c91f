// SPDX-License-Identifier: BSD-2-Clause
//
// Runs one command (no shell) to its end. The test bed is built with `ip`, `bridge` and `tc`:
// what it does can be read, and typed by hand. Throws Error with the command and its stderr when
// the command fails.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hitless::testbed {

/// Returns what the command printed on stdout; `input` is its stdin.
std::string spawn(const std::vector<std::string> &command, std::string_view input = {});

/// `spawn({"ip", "-n", netns, "-batch", "-"}, lines)`: several commands for one fork.
void ip_batch(const std::string &netns, std::string_view lines);

} // namespace hitless::testbed
