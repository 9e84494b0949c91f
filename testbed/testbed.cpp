// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/testbed.hpp"

#include "loader/core/error.hpp"
#include "testbed/process.hpp"
#include "testbed/until.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sstream>

namespace hitless::testbed {
namespace {

constexpr unsigned tentative = 0x40;  // IFA_F_TENTATIVE
constexpr unsigned dad_failed = 0x08; // IFA_F_DADFAILED

std::string fresh_prefix() {
    sweep_stale_netns();
    return unique_prefix();
}

/// The flags of all IPv6 addresses of a device, or'ed; nothing while it has none.
std::optional<unsigned> address_flags(const Netns &ns, const std::string &ifname) {
    std::ifstream table =
        in_netns(ns, [] { return std::ifstream("/proc/thread-self/net/if_inet6"); });
    std::optional<unsigned> all;
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string address, index, prefix, scope, flags, name;
        fields >> address >> index >> prefix >> scope >> flags >> name;
        if (name == ifname)
            all = all.value_or(0) | static_cast<unsigned>(std::stoul(flags, nullptr, 16));
    }
    return all;
}

} // namespace

Testbed::Testbed(const TestbedSpec &spec)
    : prefix_(fresh_prefix()), far_(prefix_ + "-far"), switch_(prefix_ + "-switch"),
      guest_(prefix_ + "-guest"),
      standby_(guest_, switch_, {spec.standby, "standby", mac, spec.mtu}),
      primary_(guest_, switch_, {spec.primary, "primary", mac, spec.mtu}) {
    build(spec);
}

void Testbed::build(const TestbedSpec &spec) {
    // The switch is a switch: it has no addresses and says nothing of its own.
    switch_.sysctl("net/ipv6/conf/all/disable_ipv6", "1");
    switch_.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    // The far host has been there for ever; the guest's addresses are what is under test.
    far_.sysctl("net/ipv6/conf/default/accept_dad", "0");
    guest_.sysctl("net/ipv6/conf/default/accept_dad", "1");

    ip_batch(switch_.name(),
             fmt::format("link add name br0 mtu {0} type bridge stp_state 0 mcast_snooping 0\n"
                         "link add name sw-far mtu {0} type veth peer name lan mtu {0} netns {1}\n"
                         "link set dev sw-far master br0 up\n"
                         "link set dev br0 up\n",
                         spec.mtu, far_.name()));
    ip_batch(far_.name(), fmt::format("link set dev lo up\n"
                                      "link set dev lan up\n"
                                      "addr add {}/24 broadcast + dev lan\n"
                                      "addr add {}/64 dev lan nodad\n",
                                      far4, far6));
    standby_.add();
    ip_batch(guest_.name(), fmt::format("link set dev lo up\n"
                                        "link set dev standby up\n"
                                        "addr add {}/24 broadcast + dev standby\n"
                                        "addr add {}/64 dev standby\n",
                                        guest4, guest6));
}

const Netns &Testbed::elsewhere() {
    if (!elsewhere_) elsewhere_ = std::make_unique<Netns>(prefix_ + "-elsewhere");
    return *elsewhere_;
}

void Testbed::mtu(unsigned bytes) {
    ip_batch(far_.name(), fmt::format("link set dev lan mtu {}\n", bytes));
    ip_batch(switch_.name(), fmt::format("link set dev sw-far mtu {}\n", bytes));
    standby_.mtu(bytes);
    primary_.mtu(bytes);
    ip_batch(switch_.name(), fmt::format("link set dev br0 mtu {}\n", bytes));
}

void Testbed::finish_frames() {
    spawn({"ip", "netns", "exec", far_.name(), "ethtool", "-K", "lan", "tx", "off"});
    standby_.finish_frames();
    primary_.finish_frames();
}

void Testbed::vlan(unsigned id, const std::string &master) {
    const auto add = [id](const Netns &ns, const std::string &link, unsigned host) {
        ip_batch(ns.name(), fmt::format("link add link {0} name {0}.{1} type vlan id {1}\n"
                                        "link set dev {0}.{1} up\n"
                                        "addr add 10.{1}.0.{2}/24 dev {0}.{1}\n",
                                        link, id, host));
    };
    if (id < 2 || id > 254) throw Error(EINVAL, fmt::format("add VLAN {}", id), "use 2 to 254");
    try {
        add(guest_, master, 2);
        add(far_, "lan", 1);
    } catch (const Error &cause) {
        throw Error(EOPNOTSUPP, fmt::format("add VLAN {}", id), cause.what(),
                    "needs a kernel with 8021q; without it inject tagged frames (PacketSocket)");
    }
}

bool Testbed::addresses_ready(const std::string &ifname, std::chrono::milliseconds patience) const {
    std::optional<unsigned> flags;
    until(
        [&] {
            flags = address_flags(guest_, ifname);
            return flags && (*flags & tentative) == 0;
        },
        patience);
    return flags && (*flags & (tentative | dad_failed)) == 0;
}

} // namespace hitless::testbed
