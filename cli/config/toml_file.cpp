// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/toml_file.hpp"
#include "loader/core/error.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/ranges.h>
#include <numeric>

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

/// Letters to insert, remove or replace until `a` is `b` (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); i++) {
        size_t before = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < b.size(); j++) {
            size_t changed = before + (a[i] != b[j]);
            before = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, before + 1});
        }
    }
    return row.back();
}

bool trips_assertion(std::string_view text) {
    try {
        (void)toml::parse(text);
    } catch (const toml::parse_error &) {
        return false;
    } catch (const TomlAssertion &) {
        return true;
    }
    return false;
}

/// Of text that trips an assertion, which does not tell: the first line that does so.
uint32_t bad_line(std::string_view text) {
    uint32_t line = 1;
    for (size_t end = 0; (end = text.find('\n', end)) != text.npos; end++, line++)
        if (trips_assertion(text.substr(0, end))) return line;
    return line;
}

} // namespace

toml::table parse_file(const std::string &file) {
    const std::string text = contents(file);
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error &error) {
        refuse(error.source(), error.description(), "");
    } catch (const TomlAssertion &) {
        throw Error(EINVAL, fmt::format("read {}:{}:1", file, bad_line(text)),
                    "this line is no TOML", "");
    }
}

std::vector<std::string> drop_ins(const std::string &file) {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(file + ".d", error)) {
        std::string name = entry.path().filename();
        if (name.ends_with(".toml") && !name.starts_with(".")) out.push_back(entry.path());
    }
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error(error.value(), fmt::format("read {}.d", file),
                    "make it a directory of TOML files");
    std::ranges::sort(out);
    return out;
}

std::string spot(const toml::source_region &at) {
    return fmt::format("{}:{}:{}", at.path ? *at.path : "configuration", at.begin.line,
                       at.begin.column);
}

void refuse(const toml::source_region &at, std::string_view cause, std::string_view way_out) {
    throw Error(EINVAL, "read " + spot(at), cause, way_out);
}

void only_keys(const toml::table &table, const std::vector<std::string_view> &known) {
    for (const auto &[key, value] : table) {
        std::string_view name = key.str();
        if (std::ranges::find(known, name) != known.end()) continue;
        auto nearest = *std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
            return distance(name, a) < distance(name, b);
        });
        refuse(key.source(), fmt::format("unknown key '{}', nearest is '{}'", name, nearest),
               fmt::format("known here: {}", fmt::join(known, ", ")));
    }
}

std::vector<std::string> get_words(const toml::table &table, std::string_view key) {
    const toml::node *node = table.get(key);
    if (!node) return {};
    const toml::array *several = node->as_array();
    if (!several) return {*get<std::string>(table, key, "string")};
    std::vector<std::string> out;
    for (const toml::node &one : *several) {
        std::optional<std::string> text = one.value_exact<std::string>();
        if (!text) refuse(one.source(), fmt::format("'{}' holds what is no string", key), "");
        out.push_back(*text);
    }
    if (out.empty()) refuse(node->source(), fmt::format("'{}' is empty", key), "name something");
    return out;
}

std::vector<std::string> get_ranked(const toml::table &table, std::string_view key) {
    std::vector<std::string> out = get_words(table, key);
    for (size_t i = 0; i < out.size(); i++)
        if (std::find(out.begin(), out.begin() + static_cast<ptrdiff_t>(i), out[i]) !=
            out.begin() + static_cast<ptrdiff_t>(i))
            refuse(table.get(key)->as_array()->get(i)->source(),
                   fmt::format("'{}' has two ranks in '{}'", out[i], key), "");
    return out;
}

} // namespace hitless::cli
