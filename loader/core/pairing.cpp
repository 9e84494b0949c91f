// SPDX-License-Identifier: BSD-2-Clause
#include "loader/core/pairing.hpp"
#include "loader/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <locale>
#include <optional>

namespace hitless {
namespace {

constexpr std::string_view pci_prefix = "pci:";
constexpr std::string_view slot_prefix = "slot:";

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
    case HL_SELECT_SLOT: return !link.slot.empty() && link.slot == want.arg;
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

Selector Selector::parse(std::string_view text) {
    if (text == "auto") return {HL_SELECT_AUTO, ""};
    if (text == "mac") return {HL_SELECT_MAC, ""};
    std::optional<Selector> out;
    if (text.starts_with(pci_prefix)) {
        auto address = pci_address(text.substr(pci_prefix.size()));
        if (address) out = {HL_SELECT_PCI, *address};
    } else if (text.starts_with(slot_prefix)) {
        std::string_view slot = text.substr(slot_prefix.size());
        if (is_name(slot, HL_ARG)) out = {HL_SELECT_SLOT, std::string(slot)};
    } else if (is_name(text, HL_IFNAME)) {
        out = {HL_SELECT_IFNAME, std::string(text)};
    }
    if (!out)
        throw Error(EINVAL, fmt::format("read the primary '{}'", text), "names no device",
                    "use auto, mac, an interface name, pci:ADDRESS or slot:NUMBER");
    return *out;
}

std::string Selector::text() const {
    switch (kind) {
    case HL_SELECT_AUTO: return "auto";
    case HL_SELECT_MAC: return "mac";
    case HL_SELECT_IFNAME: return arg;
    case HL_SELECT_PCI: return std::string(pci_prefix) + arg;
    case HL_SELECT_SLOT: return std::string(slot_prefix) + arg;
    }
    return arg;
}

Choice choose_primary(const Link &standby, const Selector &want, std::span<const Link> links) {
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

std::vector<Proposal> propose_pairs(std::span<const Link> links) {
    std::vector<Proposal> out;
    for (const Link &standby : links) {
        if (!is_paravirtual(standby) || standby.master != Ifindex::none) continue;
        bool alone = std::ranges::count_if(links, [&](const Link &other) {
                         return is_paravirtual(other) && same_mac(standby, other);
                     }) == 1;
        Choice choice = choose_primary(standby, {}, links);
        if (alone && choice.primary && choice.primary->master == Ifindex::none)
            out.push_back({&standby, choice.primary});
    }
    return out;
}

void check_standby(const Link &standby) {
    std::string action = fmt::format("pair {}", standby.name);
    if (standby.loopback || !standby.ethernet)
        throw Error(EINVAL, action, "it is no Ethernet device", "name the paravirtual NIC");
    if (standby.master != Ifindex::none)
        throw Error(EBUSY, action, "it belongs to another device (bridge, bond, team or failover)",
                    fmt::format("ip link set {} nomaster", standby.name));
}

void check_pair(const Link &standby, const Link &primary) {
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
    if (primary.master != Ifindex::none)
        throw Error(EBUSY, action, fmt::format("{} belongs to another device", primary.name),
                    fmt::format("ip link set {} nomaster", primary.name));
    if (!same_mac(standby, primary))
        throw Error(
            EINVAL, action,
            fmt::format("their MACs differ ({} and {})", standby.mac.text(), primary.mac.text()),
            fmt::format("ip link set {} address {}", primary.name, standby.mac.text()));
}

} // namespace hitless
