// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/pairing.hpp"
#include "loader/core/error.hpp"
#include "loader/core/shell_quoted.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <locale>
#include <optional>

namespace hitless {
namespace {

struct Form {
    std::string_view prefix;
    hl_selector_kind kind;
};
constexpr Form forms[] = {
    {"pci:", HL_SELECT_PCI},       {"slot:", HL_SELECT_SLOT},     {"acpi:", HL_SELECT_ACPI},
    {"port:", HL_SELECT_PORT},     {"switch:", HL_SELECT_SWITCH}, {"bus:", HL_SELECT_BUS},
    {"driver:", HL_SELECT_DRIVER},
};

bool same_mac(const Link &a, const Link &b) {
    return !a.mac.empty() && (a.mac == b.mac || a.mac == b.perm_mac);
}

/// A device stacked on another (VLAN, macvlan, bridge ...) copies MACs and is nobody's primary.
bool stacked(const Link &link) {
    static constexpr std::string_view lower[] = {"", "veth", "tun", "netkit", "dummy", "ifb"};
    return std::ranges::find(lower, link.kind) == std::end(lower);
}

bool matches(const Link &standby, const Selector &want, const Link &link) {
    if (link.index == standby.index || link.loopback || !link.ethernet || stacked(link))
        return false;
    switch (want.kind) {
    case HL_SELECT_AUTO: return link.on_pci() && !is_paravirtual(link) && same_mac(standby, link);
    case HL_SELECT_MAC: return same_mac(standby, link);
    case HL_SELECT_IFNAME: return link.name == want.arg;
    case HL_SELECT_PCI: return link.bus == "pci/" + want.arg;
    case HL_SELECT_SLOT: return link.slot == want.arg;
    case HL_SELECT_ACPI: return link.acpi_index == want.arg;
    case HL_SELECT_PORT: return link.port_id == want.arg;
    case HL_SELECT_SWITCH: return link.switch_id == want.arg;
    case HL_SELECT_BUS: return link.bus == want.arg;
    case HL_SELECT_DRIVER: return link.driver == want.arg;
    case HL_SELECT_LIST: break; // each of its forms is asked by itself
    }
    return false;
}

bool is_space(char c) {
    return std::isspace(c, std::locale::classic());
}
bool is_hex(char c) {
    return std::isxdigit(c, std::locale::classic());
}

/// What may be the name of an interface or a slot, and fits into `size` bytes with a zero behind.
bool is_name(std::string_view text, size_t size) {
    return !text.empty() && text.size() < size && text != "." && text != ".." &&
           text.find_first_of(std::string_view("/:\0", 3)) == text.npos &&
           std::ranges::none_of(text, is_space) && text.find(',') == text.npos;
}

/// A bus path has a slash and may have colons: "vmbus/uuid", "pci/0000:00:04.0".
bool is_bus(std::string_view text) {
    size_t slash = text.find('/');
    return slash != 0 && slash != text.npos && text.size() < HL_BUS && slash + 1 < text.size() &&
           std::ranges::none_of(text, is_space);
}

/// In the kernel's form, "0000:00:04.0"; the domain may be left out, as lspci does.
std::optional<std::string> pci_address(std::string_view text) {
    constexpr std::string_view shape = ":hh:hh.h";
    std::string out(std::ranges::count(text, ':') == 1 ? "0000:" : "");
    for (char c : text)
        out += std::tolower(c, std::locale::classic());
    if (out.size() < 4 + shape.size() || out.size() > 8 + shape.size()) return std::nullopt;
    std::string_view domain(out.data(), out.size() - shape.size());
    std::string_view rest = std::string_view(out).substr(domain.size());
    bool formed =
        std::ranges::all_of(domain, is_hex) && std::ranges::equal(rest, shape, [](char c, char as) {
            return as == 'h' ? is_hex(c) : c == as;
        });
    bool exists = rest[4] <= '1' && rest[7] <= '7'; // 32 devices of 8 functions
    return formed && exists ? std::optional(out) : std::nullopt;
}

} // namespace

namespace {

/// The argument of a form as the kernel writes it; nothing when it can be none.
std::optional<std::string> argument(const Form &form, std::string_view text) {
    switch (form.kind) {
    case HL_SELECT_PCI: return pci_address(text);
    case HL_SELECT_BUS: return is_bus(text) ? std::optional(std::string(text)) : std::nullopt;
    case HL_SELECT_PORT:
    case HL_SELECT_SWITCH:
        if (text.empty() || text.size() % 2 || !std::ranges::all_of(text, is_hex))
            return std::nullopt;
        [[fallthrough]];
    default: return is_name(text, HL_ARG) ? std::optional(std::string(text)) : std::nullopt;
    }
}

std::optional<Selector> parse_one(std::string_view text) {
    if (text == "auto") return Selector{HL_SELECT_AUTO, ""};
    if (text == "mac") return Selector{HL_SELECT_MAC, ""};
    for (const Form &form : forms) {
        if (!text.starts_with(form.prefix)) continue;
        auto arg = argument(form, text.substr(form.prefix.size()));
        return arg ? std::optional(Selector{form.kind, *arg}) : std::nullopt;
    }
    if (is_name(text, HL_IFNAME)) return Selector{HL_SELECT_IFNAME, std::string(text)};
    return std::nullopt;
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> out;
    for (size_t comma = 0; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1))
        out.push_back(text.substr(0, comma));
    out.push_back(text);
    return out;
}

[[noreturn]] void no_selector(std::string_view text, std::string_view cause) {
    throw Error(EINVAL, fmt::format("read the primary '{}'", text), cause,
                fmt::format("use {}", selector_forms));
}

} // namespace

Selector Selector::parse(std::string_view text) {
    std::vector<std::string_view> parts = split(text);
    std::vector<std::string> written;
    std::optional<Selector> one;
    for (std::string_view part : parts) {
        one = parse_one(part);
        if (!one) no_selector(text, "names no device");
        if (std::ranges::count(written, one->text()))
            no_selector(text, fmt::format("'{}' has two ranks", part));
        written.push_back(one->text());
    }
    if (parts.size() == 1) return *one;
    Selector out{HL_SELECT_LIST, fmt::format("{}", fmt::join(written, ","))};
    if (out.arg.size() >= HL_ARG) no_selector(text, "the list is too long");
    return out;
}

std::string Selector::text() const {
    if (kind == HL_SELECT_AUTO) return "auto";
    if (kind == HL_SELECT_MAC) return "mac";
    auto form = std::ranges::find(forms, kind, &Form::kind);
    return form == std::end(forms) ? arg : std::string(form->prefix) + arg;
}

std::vector<Selector> Selector::ranked() const {
    if (kind != HL_SELECT_LIST) return {*this};
    std::vector<Selector> out;
    for (std::string_view part : split(arg))
        if (auto one = parse_one(part)) out.push_back(*one);
    return out;
}

namespace {

Choice choose_ranked(const Link &standby, const Selector &want, std::span<const Link> links) {
    std::vector<Link> free;
    std::vector<const Link *> origin; // numbers of two network namespaces mean two things
    for (const Link &link : links) {
        if (link.master != Ifindex::none) continue;
        free.push_back(link);
        origin.push_back(&link);
    }
    for (const Selector &one : want.ranked()) {
        Choice choice = choose_primary(standby, one, free);
        if (choice.several) return {nullptr, choice.why_not, true};
        if (choice.primary) return {origin[static_cast<size_t>(choice.primary - free.data())], ""};
    }
    return {nullptr, fmt::format("no device matches '{}'", want.text())};
}

} // namespace

Choice choose_primary(const Link &standby, const Selector &want, std::span<const Link> links) {
    if (want.kind == HL_SELECT_LIST) return choose_ranked(standby, want, links);
    std::vector<const Link *> found;
    for (const Link &link : links)
        if (matches(standby, want, link)) found.push_back(&link);

    if (found.size() == 1) return {found.front(), ""};
    if (found.empty())
        return {nullptr, fmt::format("no device matches '{}' (the standby {} has MAC {})",
                                     want.text(), standby.name, standby.mac.text())};
    std::vector<std::string> names;
    for (const Link *link : found)
        names.push_back(link->name);
    return {
        nullptr,
        fmt::format("{} devices match '{}': {}", found.size(), want.text(), fmt::join(names, ", ")),
        true};
}

bool is_paravirtual(const Link &link) {
    static constexpr std::string_view drivers[] = {"virtio_net",   "hv_netvsc", "vmxnet3",
                                                   "xen_netfront", "vif",       "ena"};
    return link.bus.starts_with("virtio/") ||
           std::ranges::find(drivers, link.driver) != std::end(drivers);
}

namespace {

/// Another device takes the frames that this one receives.
bool enslaved(const Link &link) {
    return link.master != Ifindex::none && link.master_kind != "vrf";
}

bool is_passthrough(const Link &link) {
    return link.on_pci() && !is_paravirtual(link);
}

[[noreturn]] void reversed(const Link &standby, const Link &primary) {
    throw Error(EINVAL, fmt::format("pair {} with {}", standby.name, primary.name),
                fmt::format("their roles are reversed: {} is the passthrough NIC, and {} the "
                            "paravirtual one that is always there",
                            standby.name, primary.name),
                fmt::format("hitless attach {} --primary {}", shell_quoted(primary.name),
                            shell_quoted(standby.name)));
}

} // namespace

bool lacks_mac(const Link &link) {
    constexpr uint8_t locally_administered = 2;
    bool drawn = link.perm_mac.empty() && link.mac.bytes[0] & locally_administered;
    return link.mac.empty() || (link.on_pci() && drawn);
}

bool fits_by_mac(const Link &standby, const Link &primary) {
    return same_mac(standby, primary) || lacks_mac(primary);
}

std::string describe_master(const Link &link) {
    static constexpr std::pair<std::string_view, std::string_view> known[] = {
        {"", "another device, of the kernel's own failover (net_failover or netvsc)"},
        {"bridge", "a bridge"},
        {"bond", "a bond"},
        {"team", "a team"},
        {"vrf", "a VRF"},
        {"openvswitch", "an Open vSwitch datapath"},
        {"batadv", "a batman-adv mesh"},
        {"hsr", "an HSR or PRP ring"},
    };
    auto at =
        std::ranges::find(known, link.master_kind, [](const auto &pair) { return pair.first; });
    return at == std::end(known) ? fmt::format("another device, of the kind {}", link.master_kind)
                                 : std::string(at->second);
}

std::string leave_master(const Link &link) {
    // These three give no device back when they are asked by netlink.
    if (link.master_kind.empty()) return no_failover_feature;
    if (link.master_kind == "openvswitch")
        return fmt::format("ovs-vsctl del-port {}", shell_quoted(link.name));
    if (link.master_kind == "hsr") return "remove the HSR device";
    return fmt::format("ip link set {} nomaster", shell_quoted(link.name));
}

std::string why_unpaired(const Link &standby, std::span<const Link> links) {
    if (standby.failover && standby.master != Ifindex::none)
        return "the kernel's net_failover has it (VIRTIO_NET_F_STANDBY)";
    if (enslaved(standby)) return fmt::format("it belongs to {}", describe_master(standby));
    std::vector<std::string> rivals;
    for (const Link &other : links)
        if (is_paravirtual(other) && same_mac(standby, other)) rivals.push_back(other.name);
    if (rivals.size() > 1)
        return fmt::format("{} paravirtual NICs have its MAC: {}", rivals.size(),
                           fmt::join(rivals, ", "));
    Choice choice = choose_primary(standby, {}, links);
    if (!choice.primary) return choice.why_not;
    if (choice.primary->master != Ifindex::none)
        return fmt::format("{} belongs to {}", choice.primary->name,
                           describe_master(*choice.primary));
    return "";
}

std::vector<Proposal> propose_pairs(std::span<const Link> links) {
    std::vector<Proposal> out;
    for (const Link &standby : links)
        if (is_paravirtual(standby) && why_unpaired(standby, links).empty())
            out.push_back({&standby, choose_primary(standby, {}, links).primary});
    return out;
}

void check_standby(const Link &standby, bool is_master) {
    std::string action = fmt::format("pair {}", standby.name);
    if (standby.loopback || !standby.ethernet)
        throw Error(EINVAL, action, "it is no Ethernet device", "name the paravirtual NIC");
    if (standby.failover && standby.master != Ifindex::none)
        throw Error(EBUSY, action, "the kernel's net_failover has it (VIRTIO_NET_F_STANDBY)",
                    no_failover_feature);
    if (!enslaved(standby) && !is_master && standby.master != Ifindex::none)
        throw Error(EBUSY, action, "it belongs to a VRF, which a failover device does not join",
                    fmt::format("use the model two, or {}", leave_master(standby)));
    if (enslaved(standby))
        throw Error(EBUSY, action, fmt::format("it belongs to {}", describe_master(standby)),
                    leave_master(standby));
}

void check_roles(const Link &standby, const Choice &choice, std::span<const Link> links) {
    if (choice.primary || !is_passthrough(standby)) return;
    for (const Link &link : links)
        if (is_paravirtual(link) && same_mac(link, standby)) reversed(standby, link);
}

bool may_be_placeholder(const Selector &want, const Link &primary) {
    auto by_mac = [](const Selector &one) {
        return one.kind == HL_SELECT_AUTO || one.kind == HL_SELECT_MAC;
    };
    return !std::ranges::all_of(want.ranked(), by_mac) &&
           (primary.perm_mac.empty() || primary.mac == primary.perm_mac);
}

void check_pair(const Link &standby, const Link &primary, bool other_mac) {
    std::string action = fmt::format("pair {} with {}", standby.name, primary.name);
    if (standby.index == primary.index)
        throw Error(EINVAL, action, "standby and primary are one device", "name two");
    if (primary.loopback || !primary.ethernet)
        throw Error(EINVAL, action, fmt::format("{} is no Ethernet device", primary.name),
                    "name the passthrough NIC");
    if (stacked(primary))
        throw Error(EINVAL, action,
                    fmt::format("{} is stacked on other devices ({})", primary.name, primary.kind),
                    "name the passthrough NIC itself");
    if (is_passthrough(standby) && is_paravirtual(primary)) reversed(standby, primary);
    if (primary.master != Ifindex::none)
        throw Error(EBUSY, action,
                    fmt::format("{} belongs to {}", primary.name, describe_master(primary)),
                    leave_master(primary));
    if (!other_mac && !fits_by_mac(standby, primary))
        throw Error(
            EINVAL, action,
            fmt::format("their MACs differ ({} and {})", standby.mac.text(), primary.mac.text()),
            fmt::format("ip link set {} address {}", shell_quoted(primary.name),
                        standby.mac.text()));
}

} // namespace hitless
