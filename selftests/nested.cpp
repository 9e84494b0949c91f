// SPDX-License-Identifier: BSD-2-Clause
#include "selftests/nested.hpp"

#include "loader/core/error.hpp"
#include "selftests/pair_test.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"
#include "testbed/testbed.hpp"
#include "testbed/until.hpp"

#include <fmt/format.h>
#include <sstream>

namespace hitless::selftest {
namespace {

const char *mode_of(Nested::Joined how) {
    switch (how) {
    case Nested::Joined::macvlan_private: return "private";
    case Nested::Joined::macvlan_bridge: return "bridge";
    case Nested::Joined::macvlan_vepa: return "vepa";
    case Nested::Joined::macvlan_passthru: return "passthru";
    default: return nullptr;
    }
}

std::string joining(Nested::Joined how, const std::string &master, const std::string &netns) {
    if (const char *mode = mode_of(how))
        return fmt::format("link add link {} name {} netns {} address {} type macvlan mode {}\n",
                           master, Nested::ifname, netns, Nested::mac, mode);
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

void expect_no_echo(Pair &pair, const Nested &nested, const std::string &to) {
    constexpr int frames = 20;
    PacketSocket out =
        in_netns(nested.netns(), [] { return PacketSocket(Nested::ifname, 0x88b5); });
    PacketSocket far = in_netns(pair.bed().far(), [] { return PacketSocket("lan", 0x88b5); });
    const auto echoes = pair.counter("drop_echo");
    for (int i = 0; i < frames; i++) {
        auto frame = from_hex(fmt::format("{} 525400770050 88b5 {:02x}", to, i));
        frame.resize(60);
        out.send(frame);
        EXPECT_TRUE(far.next(1s)) << "the frame did not leave";
        EXPECT_FALSE(out.next(10ms)) << "it came back";
    }
    EXPECT_TRUE(until([&] { return pair.counter("drop_echo") >= echoes + frames; }))
        << "the switch sent none back to " << to;
}

void flood_unicast(Testbed &bed) {
    for (const char *port : {"sw-standby", "sw-primary"})
        spawn({"bridge", "-n", bed.switch_ns().name(), "link", "set", "dev", port, "learning",
               "off"});
    spawn(
        {"ip", "-n", bed.switch_ns().name(), "link", "set", "br0", "type", "bridge", "fdb_flush"});
    // In the 100 ms after a flip the network hands over, and nothing is taken for a copy.
    until([] { return false; }, 300ms);
}

Tally sent_to(Testbed &bed, const Netns &to, const std::string &address, const char *mac) {
    spawn({"ip", "-n", bed.far().name(), "neigh", "replace", address, "lladdr", mac, "dev", "lan",
           "nud", "permanent"});
    Flow flow(bed.far(), to, {.to = address, .port = 7720, .rate = 1000});
    flow.start();
    EXPECT_TRUE(until([&] { return flow.mark() >= 300; }));
    flow.stop();
    return flow.since(0, 2s);
}

} // namespace hitless::selftest
