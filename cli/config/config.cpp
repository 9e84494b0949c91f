// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/config.hpp"
#include "cli/config/policy.hpp"
#include "cli/config/toml.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"
#include "loader/kernel/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#include <map>
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

std::string spot(const toml::source_region &at) {
    return fmt::format("{}:{}:{}", at.path ? *at.path : "configuration", at.begin.line,
                       at.begin.column);
}

[[noreturn]] void refuse(const toml::source_region &at, std::string_view cause,
                         std::string_view way_out) {
    throw Error(EINVAL, "read " + spot(at), cause, way_out);
}

/// The keys of a policy, which may stand anywhere, and those given.
std::vector<std::string_view> with_policy_keys(std::initializer_list<std::string_view> others) {
    std::vector<std::string_view> out(others);
    for (const Knob &knob : knobs())
        out.push_back(knob.key);
    out.insert(out.end(), {"reselect", "announce", "carrier"});
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

void only_keys(const toml::table &table, std::initializer_list<std::string_view> others) {
    std::vector<std::string_view> known = with_policy_keys(others);
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
    policy.carrier = get_word(table, "carrier", carrier_names, policy.carrier);
    return policy;
}

/// A string, or several in an array: the best first.
std::vector<std::string> get_ranked(const toml::table &table, std::string_view key) {
    const toml::node *node = table.get(key);
    if (!node) return {};
    const toml::array *several = node->as_array();
    if (!several) return {*get<std::string>(table, key, "string")};
    std::vector<std::string> out;
    for (const toml::node &one : *several) {
        std::optional<std::string> text = one.value_exact<std::string>();
        if (!text) refuse(one.source(), fmt::format("'{}' holds what is no string", key), "");
        if (std::ranges::count(out, *text))
            refuse(one.source(), fmt::format("'{}' has two ranks in '{}'", *text, key), "");
        out.push_back(*text);
    }
    if (out.empty()) refuse(node->source(), fmt::format("'{}' is empty", key), "name a device");
    return out;
}

void read_standby(const toml::table &table, AttachRequest &request) {
    std::vector<std::string> standbys = get_ranked(table, "standby");
    if (standbys.empty())
        refuse(table.source(), "a pair needs the key 'standby'", "name the paravirtual NIC");
    for (const std::string &name : standbys)
        if (name.empty() || name.size() >= HL_IFNAME)
            refuse(table.get("standby")->source(), "'standby' is no interface name",
                   fmt::format("those have 1 to {} letters", HL_IFNAME - 1));
    request.standby = standbys.front();
    request.other_standbys.assign(standbys.begin() + 1, standbys.end());
}

void read_primary(const toml::table &table, AttachRequest &request) {
    std::vector<std::string> ranks = get_ranked(table, "primary");
    if (ranks.empty()) return;
    const toml::source_region &at = table.get("primary")->source();
    try {
        request.primary = Selector::parse(fmt::format("{}", fmt::join(ranks, ",")));
    } catch (const Error &error) {
        refuse(at, error.what(), "");
    }
    bool all_macs = false;
    for (const Selector &one : request.primary.ranked()) {
        if (all_macs && one.kind == HL_SELECT_AUTO)
            refuse(at, "'auto' behind 'mac' can never be reached", "write auto first");
        all_macs |= one.kind == HL_SELECT_MAC;
    }
}

void read_model(const toml::table &table, AttachRequest &request) {
    if (auto name = get<std::string>(table, "failover", "string")) request.failover = *name;
    std::optional<std::string> word = get<std::string>(table, "model", "string");
    if (!word) return;
    std::optional<hl_model> model = model_named(*word);
    if (!model)
        refuse(table.get("model")->source(), fmt::format("'model' cannot be '{}'", *word),
               "use two, three, hidden, one");
    request.model = *model;
}

AttachRequest read_pair(const toml::table &table, const Policy &policy) {
    only_keys(table, {"standby", "primary", "model", "failover"});
    AttachRequest request;
    read_standby(table, request);
    read_primary(table, request);
    request.policy = read_policy(table, policy);
    read_model(table, request);
    request.origin = spot(table.get("standby")->source());
    return request;
}

/// A NIC plays one role in one pair, over all files.
class Roles {
  public:
    void take(const AttachRequest &request) {
        std::vector<std::string> standbys = request.other_standbys;
        standbys.push_back(request.standby);
        for (const std::string &name : standbys)
            claim(name, "standby", request.origin);
        for (const Selector &one : request.primary.ranked())
            if (one.kind == HL_SELECT_IFNAME || one.kind == HL_SELECT_PCI)
                claim(one.text(), "primary", request.origin);
    }

  private:
    void claim(const std::string &nic, const char *role, const std::string &origin) {
        auto [at, fresh] = claims_.try_emplace(nic, Claim{role, origin});
        if (!fresh)
            throw Error(
                EINVAL, "read " + origin,
                fmt::format("'{}' is a {} already, at {}", nic, at->second.role, at->second.origin),
                "a NIC has one role in one pair: name each once");
    }
    struct Claim {
        const char *role;
        std::string origin;
    };
    std::map<std::string, Claim> claims_;
};

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

toml::table parse(const std::string &text, const std::string &file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error &error) {
        refuse(error.source(), error.description(), "");
    } catch (const TomlAssertion &) {
        throw Error(EINVAL, fmt::format("read {}:{}:1", file, bad_line(text)),
                    "this line is no TOML", "");
    }
}

/// Adds what one file says; a later file's `auto_pair` and `hold_down_ms` stand over an earlier's.
void read_file(const std::string &file, Controller::Options &out, Roles &roles) {
    const toml::table table = parse(contents(file), file);
    only_keys(table, {"auto_pair", "pair"});
    out.auto_pair = get<bool>(table, "auto_pair", "true or false").value_or(out.auto_pair);
    out.policy = read_policy(table, out.policy);
    const toml::node *pairs = table.get("pair");
    if (!pairs) return;
    if (!pairs->is_array_of_tables())
        refuse(pairs->source(), "'pair' is no list of tables", "write [[pair]] before each");
    for (const toml::node &pair : *pairs->as_array()) {
        out.pairs.push_back(read_pair(*pair.as_table(), out.policy));
        roles.take(out.pairs.back());
    }
}

/// FILE.d/*.toml in the order of their names. Hidden files are editors' and packagers' leavings.
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

} // namespace

Controller::Options read_config(const std::string &file, bool must_exist) {
    Controller::Options out;
    Roles roles;
    if (must_exist || access(file.c_str(), F_OK) == 0 || errno != ENOENT)
        read_file(file, out, roles);
    for (const std::string &more : drop_ins(file))
        read_file(more, out, roles);
    return out;
}

} // namespace hitless::cli
