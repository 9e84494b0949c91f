// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config.hpp"
#include "cli/policy.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace hitless::cli {
namespace {

constexpr size_t largest_file = 1 << 20;

/// The whole file; not by toml++, which takes a directory for an empty file and never ends on
/// /dev/zero.
std::string contents(const std::string &file) {
    std::string action = fmt::format("read {}", file);
    Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw Error(errno, action, "name a TOML file that can be read");
    std::string out;
    char buffer[4096];
    ssize_t size = 0;
    while ((size = read(fd.get(), buffer, sizeof(buffer))) > 0) {
        out.append(buffer, static_cast<size_t>(size));
        if (out.size() > largest_file) throw Error(EFBIG, action, "name a TOML file");
    }
    if (size < 0) throw Error(errno, action, "name a TOML file");
    return out;
}

std::string place(const toml::source_region &at) {
    return fmt::format("read {}:{}:{}", at.path ? *at.path : "configuration", at.begin.line,
                       at.begin.column);
}

[[noreturn]] void refuse(const toml::source_region &at, std::string_view cause,
                         std::string_view way_out) {
    throw Error(EINVAL, place(at), cause, way_out);
}

/// The keys of a policy, which may stand anywhere, and those given.
std::vector<std::string_view> with_policy_keys(std::initializer_list<std::string_view> others) {
    std::vector<std::string_view> out(others);
    for (const Knob &knob : knobs())
        out.push_back(knob.key);
    out.insert(out.end(), {"reselect", "announce"});
    return out;
}

void only_keys(const toml::table &table, std::initializer_list<std::string_view> others) {
    std::vector<std::string_view> known = with_policy_keys(others);
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

/// One of `names`, by its place; `otherwise` where the key is not given.
template <typename Enum>
Enum get_word(const toml::table &table, std::string_view key,
              std::span<const std::string_view> names, Enum otherwise) {
    std::optional<std::string> word = get<std::string>(table, key, "string");
    if (!word) return otherwise;
    std::optional<size_t> place = place_of(*word, names);
    if (!place)
        refuse(table.get(key)->source(), fmt::format("'{}' cannot be '{}'", key, *word),
               fmt::format("use {}", fmt::join(names, ", ")));
    return static_cast<Enum>(*place);
}

Policy read_policy(const toml::table &table, Policy policy) {
    for (const Knob &knob : knobs()) {
        std::optional<int64_t> ms = get<int64_t>(table, knob.key, "whole number");
        if (!ms) continue;
        if (*ms < 0 || *ms > knob.most)
            refuse(table.get(knob.key)->source(), fmt::format("'{}' is out of range", knob.key),
                   fmt::format("use 0 to {}", knob.most));
        knob.of(policy) = std::chrono::milliseconds(*ms);
    }
    policy.reselect = get_word(table, "reselect", reselect_names, policy.reselect);
    policy.announce = get_word(table, "announce", announce_names, policy.announce);
    return policy;
}

AttachRequest read_pair(const toml::table &table, const Policy &policy) {
    only_keys(table, {"standby", "primary"});
    std::optional<std::string> standby = get<std::string>(table, "standby", "string");
    if (!standby)
        refuse(table.source(), "a pair needs the key 'standby'", "name the paravirtual NIC");
    if (standby->empty() || standby->size() >= HL_IFNAME)
        refuse(table.get("standby")->source(), "'standby' is no interface name",
               fmt::format("those have 1 to {} letters", HL_IFNAME - 1));
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
    toml::parse_result parsed = toml::parse(contents(file), file);
    if (!parsed)
        refuse(parsed.error().source(), parsed.error().description(),
               "the running configuration is unchanged");
    const toml::table &table = parsed.table();
    only_keys(table, {"auto_pair", "pair"});
    Controller::Options out;
    out.auto_pair = get<bool>(table, "auto_pair", "true or false").value_or(true);
    out.policy = read_policy(table, {});
    const toml::node *pairs = table.get("pair");
    if (!pairs) return out;
    if (!pairs->is_array_of_tables())
        refuse(pairs->source(), "'pair' is no list of tables", "write [[pair]] before each");
    for (const toml::node &pair : *pairs->as_array()) {
        AttachRequest request = read_pair(*pair.as_table(), out.policy);
        if (std::ranges::count(out.pairs, request.standby, &AttachRequest::standby))
            refuse(pair.as_table()->get("standby")->source(),
                   fmt::format("'{}' has a pair already", request.standby), "name each once");
        out.pairs.push_back(std::move(request));
    }
    return out;
}

} // namespace hitless::cli
