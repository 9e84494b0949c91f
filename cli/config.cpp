// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace hitless::cli {
namespace {

constexpr int64_t longest_hold_down_ms = 3'600'000;

std::string place(const toml::source_region &at) {
    return fmt::format("read {}:{}:{}", at.path ? *at.path : "configuration", at.begin.line,
                       at.begin.column);
}

[[noreturn]] void refuse(const toml::source_region &at, std::string_view cause,
                         std::string_view way_out) {
    throw Error(EINVAL, place(at), cause, way_out);
}

void only_keys(const toml::table &table, std::initializer_list<std::string_view> known) {
    for (const auto &[key, value] : table)
        if (std::ranges::find(known, key.str()) == known.end())
            refuse(key.source(), fmt::format("unknown key '{}'", key.str()),
                   fmt::format("known here: {}", fmt::join(known, ", ")));
}

/// The value under `key`, if given, which must be of type T.
template <typename T>
std::optional<T> get(const toml::table &table, std::string_view key, std::string_view type) {
    const toml::node *node = table.get(key);
    if (!node) return std::nullopt;
    std::optional<T> value = node->value_exact<T>();
    if (!value) refuse(node->source(), fmt::format("'{}' is no {}", key, type), "");
    return value;
}

Policy read_policy(const toml::table &table, Policy policy) {
    std::optional<int64_t> hold_down = get<int64_t>(table, "hold_down_ms", "whole number");
    if (!hold_down) return policy;
    if (*hold_down < 0 || *hold_down > longest_hold_down_ms)
        refuse(table.get("hold_down_ms")->source(), "'hold_down_ms' is out of range",
               fmt::format("use 0 to {}", longest_hold_down_ms));
    policy.hold_down = std::chrono::milliseconds(*hold_down);
    return policy;
}

AttachRequest read_pair(const toml::table &table, const Policy &policy) {
    only_keys(table, {"standby", "primary", "hold_down_ms"});
    std::optional<std::string> standby = get<std::string>(table, "standby", "string");
    if (!standby || standby->empty())
        refuse(table.source(), "a pair needs the key 'standby'", "name the paravirtual NIC");
    AttachRequest request;
    request.standby = *standby;
    request.policy = read_policy(table, policy);
    if (auto primary = get<std::string>(table, "primary", "string")) {
        try {
            request.primary = Selector::parse(*primary);
        } catch (const Error &error) {
            refuse(table.get("primary")->source(), error.what(), "");
        }
    }
    return request;
}

} // namespace

Controller::Options read_config(const std::string &file) {
    toml::parse_result parsed = toml::parse_file(file);
    if (!parsed)
        refuse(parsed.error().source(), parsed.error().description(),
               "the running configuration is unchanged");
    const toml::table &table = parsed.table();
    only_keys(table, {"auto_pair", "hold_down_ms", "pair"});
    Controller::Options out;
    out.auto_pair = get<bool>(table, "auto_pair", "true or false").value_or(true);
    out.policy = read_policy(table, {});
    const toml::node *pairs = table.get("pair");
    if (!pairs) return out;
    if (!pairs->is_array_of_tables())
        refuse(pairs->source(), "'pair' is no list of tables", "write [[pair]] before each");
    for (const toml::node &pair : *pairs->as_array())
        out.pairs.push_back(read_pair(*pair.as_table(), out.policy));
    return out;
}

} // namespace hitless::cli
