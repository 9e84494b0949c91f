// SPDX-License-Identifier: BSD-2-Clause
//
// A command that is printed is pasted. An interface name may hold any byte but a space, a slash and
// a colon, so `a;b`, `$x` and `it's` are names, and each is one word to the shell only in quotes.
//
//   fmt::format("ip link set {} up", shell_quoted(nic.name))
#pragma once

#include <string>
#include <string_view>

namespace hitless {

/// One word of a shell: as it is where no character of it means anything, else in single quotes.
std::string shell_quoted(std::string_view word);

} // namespace hitless
