// SPDX-License-Identifier: BSD-2-Clause
#include "loader/engine/pair/failover_device.hpp"
#include "loader/core/error.hpp"
#include "loader/engine/members/members.hpp"
#include "loader/engine/members/record.hpp"
#include "loader/kernel/netlink/devices.hpp"
#include "loader/kernel/netns/netns.hpp"
#include "loader/kernel/nic/offload.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <linux/if_link.h>

namespace hitless {
namespace {

constexpr auto inner_suffix = "-in";
constexpr size_t longest_name = HL_IFNAME - 1 - 3; // room for the suffix
constexpr unsigned most_names = 1000;
/// Numbers of our devices in a private namespace: far from those that NICs bring along.
constexpr uint32_t inner_number = 1'000'001, outer_number = 1'000'002;

std::string prefix() {
    return fmt::format("{}{}-", private_netns_prefix, netns_cookie());
}

/// Namespaces are named after the standby's number, which another one may have had before it.
std::string make_netns(const Link &standby) {
    for (unsigned i = 0;; i++) {
        std::string name = fmt::format("{}{}", prefix(), number(standby.index));
        if (i) name += fmt::format(".{}", i);
        try {
            PrivateNetns::create(name);
            return name;
        } catch (const Error &error) {
            if (error.code() != EEXIST || i == most_names) throw;
        }
    }
}

void make_best_devices(Rtnl &rtnl, int outer_netns, NewDevices wanted) {
    try {
        return make_devices(rtnl, outer_netns, wanted);
    } catch (const Error &error) {
        if (!wanted.netkit || !is_lack(error.code())) throw;
    }
    wanted.netkit = false; // before 6.7, or not built
    make_devices(rtnl, outer_netns, wanted);
}

void move_nics_out(PairNamespaces &namespaces) {
    Rtnl &hidden = namespaces.rtnl(PairNetns::hidden);
    for (const Link &link : hidden.links())
        if (!link.loopback && link.name != inner_name && link.name != waiting_name)
            move_device(hidden, link, namespaces.fd(PairNetns::guest), link.index);
}

} // namespace

std::string inner_of(const std::string &failover) {
    return failover + inner_suffix;
}

std::string failover_name(const std::string &standby) {
    return ("fo-" + standby).substr(0, longest_name);
}

std::string failover_name(const AttachRequest &request, const std::string &standby) {
    return request.failover.empty() ? failover_name(standby) : request.failover;
}

std::string master_name(const AttachRequest &request, const std::string &standby) {
    const ModelRow &model = model_row(request.model, request.datapath);
    bool other = model.has_failover && !model.takes_name;
    return other ? failover_name(request, standby) : standby;
}

FailoverDevice::FailoverDevice(Rtnl &guest, const AttachRequest &request, const Link &standby)
    : guest_(guest) {
    const ModelRow &model = model_row(request.model, request.datapath);
    std::string name = failover_name(request, standby.name);
    if (name.empty() || name.size() > longest_name || name.find('/') != std::string::npos)
        throw Error(EINVAL, fmt::format("make the failover device {}", name),
                    fmt::format("its name must have 1 to {} letters, no slash", longest_name),
                    "choose another: --failover NAME");
    if (model.inner == PairNetns::guest) {
        make_in_guest(request, name, standby);
        return;
    }
    std::string netns = make_netns(standby);
    try {
        copy_text(ends_.netns, netns);
        make_in_private_netns(model, name, standby);
    } catch (const Error &) {
        PairNamespaces namespaces(guest, netns);
        remove_private_netns(namespaces, netns);
        throw;
    }
}

FailoverDevice::~FailoverDevice() {
    if (kept_) return;
    try {
        PairNamespaces namespaces(guest_, ends_.netns);
        if (ends_.netns[0])
            remove_private_netns(namespaces, ends_.netns);
        else
            remove_device(guest_, Ifindex{ends_.outer});
    } catch (const Error &) { // NOLINT(bugprone-empty-catch): what brought us here says more
    }
}

/// Both ends in the guest's namespace, where XDP joins the inner one to the NICs.
void FailoverDevice::make_in_guest(const AttachRequest &request, const std::string &name,
                                   const Link &standby) {
    NewDevices wanted;
    wanted.outer = name;
    wanted.inner = inner_of(name);
    wanted.mac = standby.mac;
    wanted.mtu = standby.mtu;
    make_devices(guest_, own_netns().get(), wanted);
    Link outer = must_find(guest_, name);
    try { // a constructor that throws has no destructor to clean up
        Link inner = must_find(guest_, wanted.inner);
        ends_.outer = number(outer.index);
        ends_.inner = number(inner.index);
        ends_.checksums_complete = request.checksums_complete;
        guest_.change_addr_gen_mode(inner, IN6_ADDR_GEN_MODE_NONE);
        prepare_failover(name);
    } catch (const Error &) {
        remove_device(guest_, outer.index);
        throw;
    }
}

void FailoverDevice::make_in_private_netns(const ModelRow &model, const std::string &name,
                                           const Link &standby) {
    PairNamespaces namespaces(guest_, ends_.netns);
    NewDevices wanted;
    wanted.outer = model.takes_name ? waiting_name : name;
    wanted.inner = inner_name;
    wanted.mac = standby.mac;
    wanted.mtu = standby.mtu;
    wanted.inner_index = Ifindex{inner_number};
    if (model.takes_name) wanted.outer_index = Ifindex{outer_number};
    wanted.netkit = model.may_be_netkit;
    Rtnl &hidden = namespaces.rtnl(PairNetns::hidden);
    make_best_devices(
        hidden, namespaces.fd(model.takes_name ? PairNetns::hidden : PairNetns::guest), wanted);
    hidden.change(wanted.inner_index, inner_name, {.up = true});
    ends_.inner = inner_number;
    if (!model.takes_name) ends_.outer = number(must_find(guest_, name).index);
}

Link waiting_device(PairNamespaces &namespaces) {
    return must_find(namespaces.rtnl(PairNetns::hidden), waiting_name);
}

void remove_private_netns(PairNamespaces &namespaces, const std::string &netns) {
    if (netns.empty()) return;
    if (namespaces.has(PairNetns::hidden)) {
        move_nics_out(namespaces);
        Rtnl &hidden = namespaces.rtnl(PairNetns::hidden);
        if (auto inner = hidden.link(inner_name)) remove_device(hidden, inner->index);
    }
    PrivateNetns::remove(netns);
}

bool is_private_netns_of(const std::string &netns, const std::string &pair_name) {
    std::string first = private_netns_prefix + pair_name;
    return netns == first || netns.starts_with(first + ".");
}

std::vector<std::string> private_netns_names() {
    return PrivateNetns::named(prefix());
}

} // namespace hitless
