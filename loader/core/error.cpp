// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/error.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace hitless {
namespace {

constexpr std::string_view before_way_out = "; ";

std::string sentence(std::string_view action, std::string_view cause, std::string_view way_out) {
    return fmt::format("{}: {}{}{}", action, cause, way_out.empty() ? "" : before_way_out, way_out);
}

} // namespace

Error::Error(int code, std::string_view action, std::string_view way_out)
    : Error(code, action, fmt::format("{} ({})", strerror(code), code), way_out) {}

Error::Error(int code, std::string_view action, std::string_view cause, std::string_view way_out)
    : std::runtime_error(sentence(action, cause, way_out)), code_(code), way_out_(way_out) {}

std::string Error::problem() const {
    std::string text = what();
    if (!way_out_.empty()) text.resize(text.size() - before_way_out.size() - way_out_.size());
    return text;
}

std::string_view way_out_of_shortage(int code) {
    switch (code) {
    case EMFILE: return "`ulimit -n 1024` raises the limit";
    case ENFILE:
    case ENOMEM:
    case ENOSPC: return "try again when there is room";
    default: return "";
    }
}

bool is_lack(int code) {
    constexpr int enotsupp = 524; // include/linux/errno.h: not for userspace, and yet seen there
    switch (code) {
    case EACCES: // the verifier: an unknown kernel function
    case EINVAL: // an unknown helper, program, attach type or map
    case ENOENT:
    case ESRCH: // libbpf: no type information
    case EOPNOTSUPP:
    case enotsupp: return true;
    default: return false;
    }
}

} // namespace hitless
