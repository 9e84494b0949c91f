// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/shell_quoted.hpp"

namespace hitless {
namespace {

/// Other bytes than ASCII mean nothing to a shell.
bool is_plain(char c) {
    auto byte = static_cast<unsigned char>(c);
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || byte >= 0x80 ||
           std::string_view("_-.,:/@%+=").find(c) != std::string_view::npos;
}

} // namespace

std::string shell_quoted(std::string_view word) {
    bool plain = !word.empty();
    std::string quoted = "'";
    for (char c : word) {
        plain = plain && is_plain(c);
        if (c == '\'')
            quoted += "'\\''"; // ends the quotes, adds a quoted one, and begins them anew
        else
            quoted += c;
    }
    return plain ? std::string(word) : quoted + "'";
}

} // namespace hitless
