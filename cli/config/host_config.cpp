// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config/host_config.hpp"
#include "cli/config/toml_file.hpp"
#include "loader/core/error.hpp"
#include "loader/host/plug_device.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/ranges.h>
#include <map>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace hitless::cli {
namespace {

constexpr int64_t longest_ms = 60'000;
constexpr int64_t most_vfs = 65'536; // PCI Express has 16 bits for their number
constexpr size_t longest_ifname = 15;

const toml::node &needed(const toml::table &table, std::string_view key, std::string_view what) {
    const toml::node *node = table.get(key);
    if (!node)
        refuse(table.source(), fmt::format("a guest needs the key '{}'", key),
               fmt::format("name {}", what));
    return *node;
}

std::string interface_name(const toml::table &table, std::string_view key,
                           const toml::source_region &at) {
    std::string name = get<std::string>(table, key, "string").value_or("");
    if (name.empty() || name.size() > longest_ifname)
        refuse(at, fmt::format("'{}' is no interface name", key),
               fmt::format("those have 1 to {} letters", longest_ifname));
    return name;
}

std::chrono::milliseconds get_ms(const toml::table &table, std::string_view key,
                                 std::chrono::milliseconds otherwise) {
    std::optional<int64_t> ms = get<int64_t>(table, key, "whole number");
    if (!ms) return otherwise;
    if (*ms < 1 || *ms > longest_ms)
        refuse(table.get(key)->source(), fmt::format("'{}' is out of range", key),
               fmt::format("use 1 to {}", longest_ms));
    return std::chrono::milliseconds(*ms);
}

Mac read_mac(const toml::table &table) {
    const toml::node &node = needed(table, "mac", "the MAC of both of its NICs");
    std::optional<Mac> mac = Mac::parse(get<std::string>(table, "mac", "string").value_or(""));
    if (!mac || mac->empty() || mac->bytes[0] & 1)
        refuse(node.source(), "'mac' is no MAC of a NIC", "write it as 52:54:00:12:34:56");
    return *mac;
}

/// { port = "ens1f0_3" }, the name alone, or { pf = "ens1f0", vf = 3 }.
void read_primary(const toml::table &table, GuestSpec &guest) {
    const toml::node *node = table.get("primary");
    if (!node) return;
    const toml::table *more = node->as_table();
    if (!more) {
        guest.primary = interface_name(table, "primary", node->source());
        return;
    }
    only_keys(*more, {"port", "pf", "vf"});
    if (!more->get("pf") && !more->get("vf")) {
        guest.primary = interface_name(*more, "port", node->source());
        return;
    }
    if (more->get("port") || !more->get("pf") || !more->get("vf"))
        refuse(node->source(), "'primary' is neither a port nor a VF",
               "write { port = \"PORT\" }, or { pf = \"PF\", vf = NUMBER }");
    guest.primary = interface_name(*more, "pf", node->source());
    int64_t number = get<int64_t>(*more, "vf", "whole number").value_or(-1);
    if (number < 0 || number >= most_vfs)
        refuse(more->get("vf")->source(), "'vf' is no number of a VF",
               "they are counted from 0, as `ip link show PF` does");
    guest.vf = static_cast<uint32_t>(number);
}

/// `delivery`; left out, what fits the primary is meant. True: by commands.
bool read_mechanism(const toml::table &table, const GuestSpec &guest) {
    const toml::node *node = table.get("delivery");
    const std::string fits = guest.vf ? "vf" : "bridge";
    const std::string word = get<std::string>(table, "delivery", "string").value_or(fits);
    if (word != "bridge" && word != "vf" && word != "exec")
        refuse(node->source(), fmt::format("'delivery' cannot be '{}'", word),
               "use bridge, vf, exec");
    if (word != "exec" && word != fits)
        refuse(node->source(),
               fmt::format("'delivery' cannot be '{}' where the primary is {}", word,
                           guest.vf ? "a VF" : "no VF"),
               guest.vf ? "use vf, exec"
                        : "use bridge, exec, or write primary = { pf = \"PF\", vf "
                          "= NUMBER }");
    return word == "exec";
}

/// One of two words; true for the second. The first is meant where the key is missing.
bool read_choice(const toml::table &table, const char *key, std::string_view usual,
                 std::string_view other) {
    const std::string word = get<std::string>(table, key, "string").value_or(std::string(usual));
    if (word != usual && word != other)
        refuse(table.get(key)->source(), fmt::format("'{}' cannot be '{}'", key, word),
               fmt::format("use {}, {}", usual, other));
    return word == other;
}

void read_delivery(const toml::table &table, GuestSpec &guest) {
    auto at = [&](const char *key) {
        return table.get(key) ? table.get(key)->source() : table.source();
    };
    read_primary(table, guest);
    if (!read_mechanism(table, guest)) {
        for (const char *key : {"move", "read", "command_ms"})
            if (table.get(key))
                refuse(at(key), fmt::format("'{}' is of the delivery exec", key),
                       "write delivery = \"exec\", or leave it out");
        if (guest.primary.empty())
            needed(table, "primary", "the port of its primary in the bridge, or its PF and VF");
        return;
    }
    guest.move = get_words(table, "move");
    guest.read = get_words(table, "read");
    for (const char *key : {"move", "read"})
        needed(table, key, "a command and its arguments in an array");
    guest.command_limit = get_ms(table, "command_ms", guest.command_limit);
}

/// monitor = "qmp:/run/web1.qmp", and what is to be plugged by it.
PlugSpec read_plug(const toml::table &table) {
    constexpr std::string_view qmp = "qmp:/";
    PlugSpec out;
    const toml::node *monitor = table.get("monitor");
    if (!monitor) {
        for (const char *key : {"device", "unplug_ms", "when_kept"})
            if (table.get(key))
                refuse(table.get(key)->source(), fmt::format("'{}' needs a 'monitor'", key),
                       "write monitor = \"qmp:/run/NAME.qmp\"");
        return out;
    }
    const std::string by = get<std::string>(table, "monitor", "string").value_or("");
    if (!by.starts_with(qmp))
        refuse(monitor->source(), fmt::format("'monitor' cannot be '{}'", by),
               "write qmp: and the path of a monitor socket, \"qmp:/run/NAME.qmp\"");
    out.monitor = by.substr(qmp.size() - 1);
    const toml::node &device = needed(table, "device", "what is plugged, as for device_add");
    out.device = get<std::string>(table, "device", "string").value_or("");
    try {
        parse_plug_device(out.device);
    } catch (const Error &) {
        refuse(
            device.source(), "'device' is no JSON object with a driver and an id",
            R"(write it as for device_add: '{"driver":"vfio-pci","id":"primary","host":"0000:3b:02.3"}')");
    }
    out.limit = get_ms(table, "unplug_ms", out.limit);
    out.reset_when_kept = read_choice(table, "when_kept", "give-back", "reset");
    return out;
}

GuestSpec read_guest(const toml::table &table, std::chrono::milliseconds deadline) {
    only_keys(table,
              {"name", "mac", "standby", "primary", "delivery", "move", "read", "command_ms",
               "deadline_ms", "want", "bypass", "monitor", "device", "unplug_ms", "when_kept"});
    GuestSpec out;
    needed(table, "name", "it as you want to call it");
    out.name = get<std::string>(table, "name", "string").value_or("");
    if (out.name.empty() || out.name.find_first_of(" \t\n/") != out.name.npos)
        refuse(table.get("name")->source(), "'name' is no word", "without white space and slashes");
    out.mac = read_mac(table);
    out.standby = interface_name(
        table, "standby", needed(table, "standby", "the tap of its paravirtual NIC").source());
    read_delivery(table, out);
    out.plug = read_plug(table);
    out.deadline = get_ms(table, "deadline_ms", deadline);
    out.give = !read_choice(table, "want", "primary", "standby");
    out.may_bypass = read_choice(table, "bypass", "refuse", "allow");
    out.origin = spot(table.get("name")->source());
    if (out.primary == out.standby)
        refuse(table.get("primary")->source(), "'primary' is the standby",
               "name the primary's port");
    return out;
}

/// What two guests cannot share, over all files.
class Claims {
  public:
    void take(const GuestSpec &guest) {
        claim("name", guest.name, guest);
        claim("MAC", guest.mac.text(), guest);
        claim("port", guest.standby, guest);
        if (guest.vf)
            claim("VF", fmt::format("{} of {}", *guest.vf, guest.primary), guest);
        else if (!guest.primary.empty())
            claim("port", guest.primary, guest);
        if (!guest.plug.monitor.empty()) claim("monitor", guest.plug.monitor, guest);
    }
    /// What was taken since stays, or is given up.
    void keep() { latest_.clear(); }
    void undo() {
        for (const std::string &what : latest_)
            claims_.erase(what);
        latest_.clear();
    }

  private:
    void claim(const char *kind, const std::string &what, const GuestSpec &guest) {
        auto [at, fresh] = claims_.try_emplace(fmt::format("{} {}", kind, what), guest.origin);
        if (!fresh)
            throw Error(
                EINVAL, "read " + guest.origin,
                fmt::format("the {} '{}' is another guest's, at {}", kind, what, at->second),
                "give each guest one of its own");
        latest_.push_back(at->first);
    }
    std::map<std::string, std::string> claims_;
    std::vector<std::string> latest_;
};

class Reader {
  public:
    /// All of a file, or, when it throws, nothing. Its `deadline_ms` is for its own guests.
    void read(const std::string &file, std::chrono::milliseconds deadline) {
        const toml::table table = parse_file(file);
        only_keys(table, {"guest", "deadline_ms"});
        deadline_ = get_ms(table, "deadline_ms", deadline);
        const toml::node *guests = table.get("guest");
        if (!guests) return;
        if (!guests->is_array_of_tables())
            refuse(guests->source(), "'guest' is no list of tables", "write [[guest]] before each");
        std::vector<GuestSpec> found;
        for (const toml::node &guest : *guests->as_array())
            found.push_back(read_guest(*guest.as_table(), deadline_));
        add(found);
    }
    void add(const std::vector<GuestSpec> &guests) {
        try {
            for (const GuestSpec &guest : guests)
                claims_.take(guest);
        } catch (const Error &) {
            claims_.undo();
            throw;
        }
        claims_.keep();
        guests_.insert(guests_.end(), guests.begin(), guests.end());
    }
    /// Of the file that was read last.
    std::chrono::milliseconds deadline() const { return deadline_; }
    const std::vector<GuestSpec> &guests() const { return guests_; }

  private:
    Claims claims_;
    std::chrono::milliseconds deadline_ = GuestSpec{}.deadline;
    std::vector<GuestSpec> guests_;
};

/// `mistake`: what to do about a file of FILE.d, by its name.
template <typename Mistake>
std::vector<GuestSpec> read_all(Reader &reader, const std::string &file, bool must_exist,
                                Mistake mistake) {
    if (must_exist || access(file.c_str(), F_OK) == 0 || errno != ENOENT)
        reader.read(file, reader.deadline());
    const std::chrono::milliseconds deadline = reader.deadline();
    for (const std::string &more : drop_ins(file))
        try {
            reader.read(more, deadline);
        } catch (const Error &error) {
            mistake(more, error);
        }
    return reader.guests();
}

} // namespace

std::vector<GuestSpec> read_host_config(const std::string &file, bool must_exist) {
    Reader reader;
    return read_all(reader, file, must_exist,
                    [](const std::string &, const Error &error) { throw Error(error); });
}

HostConfig read_host_config_but_for_mistakes(const std::string &file, bool must_exist,
                                             const std::vector<GuestSpec> &former) {
    HostConfig out;
    Reader reader;
    std::vector<std::string> left_out;
    read_all(reader, file, must_exist, [&](const std::string &which, const Error &error) {
        out.problems.push_back(error.what());
        left_out.push_back(which + ":");
    });
    for (const GuestSpec &guest : former)
        try {
            if (std::ranges::any_of(left_out, [&](const std::string &which) {
                    return guest.origin.starts_with(which);
                }))
                reader.add({guest});
        } catch (const Error &) { // it is described elsewhere by now
        }
    out.guests = reader.guests();
    return out;
}

} // namespace hitless::cli
