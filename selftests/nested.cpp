// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/nested.hpp"

#include "loader/core/error.hpp"
#include "testbed/process.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <fmt/format.h>
#include <sstream>

namespace hitless::selftest {
namespace {

std::string joining(Nested::Joined how, const std::string &master, const std::string &netns) {
    if (how == Nested::Joined::macvlan)
        return fmt::format(
            "link add link {} name {} netns {} address {} type macvlan mode private\n", master,
            Nested::ifname, netns, Nested::mac);
    return fmt::format("link add {0} address {1} type bridge stp_state 0 mcast_snooping 0\n"
                       "link set {2} master {0}\n"
                       "link add vn type veth peer name {3} netns {4} address {5}\n"
                       "link set vn master {0} up\n"
                       "link set {0} up\n",
                       Nested::bridge, testbed::Testbed::mac, master, Nested::ifname, netns,
                       Nested::mac);
}

} // namespace

Nested::Nested(const testbed::Netns &guest, const std::string &master, Joined how)
    : guest_(guest), netns_(testbed::unique_prefix() + "-nested") {
    testbed::ip_batch(guest.name(), joining(how, master, netns_.name()));
    testbed::ip_batch(netns_.name(), fmt::format("link set lo up\nlink set {0} up\n"
                                                 "addr add {1}/24 broadcast + dev {0}\n",
                                                 ifname, address4));
    // Carrier comes by a work queue of the kernel's (linkwatch), up to a second after a device is
    // up; until then its queue, or the bridge's port, drops what is sent.
    if (!testbed::until([&] { return passes(how); }))
        throw Error(ETIMEDOUT, "wait until the nested guest's link passes frames");
}

bool Nested::passes(Joined how) const {
    const auto has = [](const std::vector<std::string> &command, std::string_view word) {
        return testbed::spawn(command).find(word) != std::string::npos;
    };
    if (!has({"ip", "-n", netns_.name(), "link", "show", ifname}, "state UP")) return false;
    return how != Joined::bridge || !has({"bridge", "-n", guest_.name(), "link"}, "state disabled");
}

std::string Nested::learned_at() const {
    std::istringstream table(
        testbed::spawn({"bridge", "-n", guest_.name(), "fdb", "show", "br", bridge}));
    std::string ports;
    for (std::string line; std::getline(table, line);) {
        std::istringstream words(line);
        std::string address, dev, port;
        words >> address >> dev >> port;
        if (address == mac) ports += (ports.empty() ? "" : " ") + port;
    }
    return ports;
}

} // namespace hitless::selftest
