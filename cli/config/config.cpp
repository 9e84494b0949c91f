// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/config.hpp"
#include "cli/config/policy.hpp"
#include "cli/config/toml_file.hpp"
#include "loader/core/error.hpp"
#include "loader/core/models.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>
#include <map>
#include <unistd.h>

namespace hitless::cli {
namespace {

/// The keys of a policy, which may stand anywhere, and those given.
std::vector<std::string_view> with_policy_keys(std::initializer_list<std::string_view> others) {
    std::vector<std::string_view> out(others);
    for (const Timing &timing : timings())
        out.push_back(timing.key);
    out.insert(out.end(), {"reselect", "announce", "carrier"});
    return out;
}

void only_keys_of_pairs(const toml::table &table, std::initializer_list<std::string_view> others) {
    only_keys(table, with_policy_keys(others));
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
    for (const Timing &timing : timings()) {
        std::optional<int64_t> ms = get<int64_t>(table, timing.key, "whole number");
        if (!ms) continue;
        if (*ms < 0 || *ms > timing.most)
            refuse(table.get(timing.key)->source(), fmt::format("'{}' is out of range", timing.key),
                   fmt::format("use 0 to {}", timing.most));
        timing.of(policy) = std::chrono::milliseconds(*ms);
    }
    policy.reselect = get_word(table, "reselect", reselect_names, policy.reselect);
    policy.announce = get_word(table, "announce", announce_names, policy.announce);
    policy.carrier = get_word(table, "carrier", carrier_names, policy.carrier);
    return policy;
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
    only_keys_of_pairs(table, {"standby", "primary", "model", "failover"});
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

/// Adds what one file says; a later file's `auto_pair` and `hold_down_ms` stand over an earlier's.
void read_file(const std::string &file, Controller::Options &out, Roles &roles) {
    const toml::table table = parse_file(file);
    only_keys_of_pairs(table, {"auto_pair", "pair", "host"});
    out.auto_pair = get<bool>(table, "auto_pair", "true or false").value_or(out.auto_pair);
    out.host = get<bool>(table, "host", "true or false").value_or(out.host);
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
