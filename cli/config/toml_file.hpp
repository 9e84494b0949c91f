// SPDX-License-Identifier: BSD-2-Clause
//
// A TOML file that a person wrote: read whole, its mistakes said with file:line:column. What is in
// it is for the caller to know.
#pragma once

#include "cli/config/toml.hpp"

#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hitless::cli {

/// Throws Error(EINVAL) that begins with file:line:column; another errno for what cannot be read.
toml::table parse_file(const std::string &file);
/// FILE.d/*.toml in the order of their names. Hidden files are editors' and packagers' leavings.
std::vector<std::string> drop_ins(const std::string &file);

std::string spot(const toml::source_region &);
[[noreturn]] void refuse(const toml::source_region &, std::string_view cause,
                         std::string_view way_out);
/// Refuses any other, with the nearest of these.
void only_keys(const toml::table &, const std::vector<std::string_view> &known);

/// The value under `key`, if given, which must be of type T.
template <typename T>
std::optional<T> get(const toml::table &table, std::string_view key, std::string_view type) {
    const toml::node *node = table.get(key);
    if (!node) return std::nullopt;
    std::optional<T> value = node->value_exact<T>();
    if (!value) refuse(node->source(), fmt::format("'{}' is no {}", key, type), "");
    return value;
}

/// A string, or several in an array, each as often as it is written.
std::vector<std::string> get_words(const toml::table &, std::string_view key);
/// The same, the best first: none has two ranks.
std::vector<std::string> get_ranked(const toml::table &, std::string_view key);

} // namespace hitless::cli
