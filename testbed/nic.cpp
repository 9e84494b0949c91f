// SPDX-License-Identifier: BSD-2-Clause
#include "testbed/nic.hpp"

#include "loader/core/error.hpp"
#include "testbed/process.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <net/if.h>
#include <sstream>

namespace hitless::testbed {

Nic::Nic(const Netns &guest, const Netns &sw, NicSpec spec)
    : guest_(guest), switch_(sw), spec_(std::move(spec)), port_("sw-" + spec_.ifname) {}

Nic::~Nic() {
    try {
        if (present()) remove();
    } catch (const std::exception &) { // its namespace went first, and took it along
    }
}

// The switch's side is ready before the guest can tell the NIC from another: somebody may be
// waiting for its MAC address, and use it that very moment.
void Nic::add() {
    if (present()) throw Error(EEXIST, "plug in " + spec_.ifname);
    spec_.kind == NicKind::veth ? add_veth() : add_tap();
    where_ = &guest_;
}

/// The place for faults first: giving a device that is up its clsact takes its queue away for a
/// moment (dev_deactivate() in qdisc_graft(), net/sched/sch_api.c), and what the switch sends then
/// is lost.
void Nic::open_port() {
    spawn({"tc", "-n", switch_.name(), "qdisc", "add", "dev", port_, "clsact"});
    ip_batch(switch_.name(),
             fmt::format("link set dev {} mtu {} master br0 up\n", port_, spec_.mtu));
    if (finished_) finish_port();
}

void Nic::finish_frames() {
    finished_ = true;
    if (present()) finish_port();
}

void Nic::finish_port() {
    std::vector<std::string> command{"ip", "netns", "exec", switch_.name(), "ethtool",
                                     "-K", port_,   "tx",   "off"};
    // By GRO it polls, and without that it takes no frame from XDP; only one that is up says so of
    // itself (veth_set_features()).
    if (spec_.kind == NicKind::veth) command.insert(command.end(), {"txvlan", "off", "gro", "on"});
    spawn(command);
}

void Nic::add_veth() {
    ip_batch(switch_.name(),
             fmt::format("link add name {0} mtu {1} type veth peer name {2} address {3} mtu {1}\n",
                         port_, spec_.mtu, spec_.ifname, spec_.mac));
    open_port();
    ip_batch(switch_.name(),
             fmt::format("link set dev {} netns {}\n", spec_.ifname, guest_.name()));
}

void Nic::add_tap() {
    cable_ = std::make_unique<TapCable>(TapCable::End{guest_, spec_.ifname},
                                        TapCable::End{switch_, port_});
    open_port();
    ip_batch(guest_.name(), fmt::format("link set dev {} mtu {} address {}\n", spec_.ifname,
                                        spec_.mtu, spec_.mac));
}

void Nic::remove() {
    // The guest's device first: a cable that ends first swallows what is sent until the kernel is
    // told, and no guest could know.
    ip_batch(where().name(), fmt::format("link del dev {}\n", spec_.ifname));
    where_ = nullptr;
    lost_rx_ = lost_tx_ = 0; // the filters go with the port
    cable_.reset();
}

std::uint64_t Nic::swallowed() const {
    return cable_ ? cable_->refused_from_a() : 0;
}

const Netns &Nic::where() const {
    if (!present()) throw Error(ENODEV, "find " + spec_.ifname, "add() it first");
    const std::string name = hiding_ && where_ == &guest_ ? hiding_() : "";
    if (name.empty()) return *where_;
    hidden_ = std::make_unique<Netns>(Netns::of_others(name));
    // In the guest's, another device may have its name.
    const auto is_here = [&] { return if_nametoindex(spec_.ifname.c_str()) != 0; };
    return in_netns(*hidden_, is_here) ? *hidden_ : *where_;
}

void Nic::link_set(const std::string &what) {
    ip_batch(where().name(), fmt::format("link set dev {} {}\n", spec_.ifname, what));
}

void Nic::admin(bool up) {
    link_set(up ? "up" : "down");
}

void Nic::carrier(bool on) {
    where();
    if (cable_)
        cable_->carrier(on);
    else
        ip_batch(switch_.name(), fmt::format("link set dev {} {}\n", port_, on ? "up" : "down"));
}

void Nic::move_to(const Netns &ns) {
    link_set("netns " + ns.name());
    where_ = &ns;
}

void Nic::blackhole(Direction direction, bool on) {
    lose(direction, on ? 100 : 0);
}

void Nic::lose(Direction direction, unsigned percent) {
    where();
    // What the guest sends enters the switch by this port, and the other way round. The way to the
    // guest opens first: the switch moves the guest's address as soon as it hears of it here. It
    // closes first, too: a hole that swallows questions alone would be left before it swallows
    // more.
    if (direction != Direction::tx) drop("egress", lost_rx_, percent);
    if (direction != Direction::rx) drop("ingress", lost_tx_, percent);
}

// Classic BPF: draw a random number (SKF_AD_RANDOM); below the limit return 2 (TC_ACT_SHOT), else
// -1 (TC_ACT_UNSPEC). Needs no gact, matchall or netem module.
void Nic::drop(const char *hook, unsigned &now, unsigned percent) {
    if (now == percent) return;
    const auto filter = [&](const char *what) {
        return std::vector<std::string>{"tc",  "-n",  switch_.name(), "filter", what,
                                        "dev", port_, hook,           "pref",   "1"};
    };
    if (now) spawn(filter("del"));
    now = percent;
    if (!percent) return;
    const std::uint64_t limit = (std::uint64_t{percent} << 32) / 100;
    std::vector<std::string> command = filter("add");
    command.insert(command.end(), {"bpf", "bytecode",
                                   percent == 100 ? "1,6 0 0 2"
                                                  : fmt::format("4,32 0 0 4294963256,53 1 0 {},"
                                                                "6 0 0 2,6 0 0 4294967295",
                                                                limit),
                                   "direct-action"});
    spawn(command);
}

void Nic::hang(bool on) {
    where();
    if (!cable_)
        throw Error(EOPNOTSUPP, "hang the transmit queue of " + spec_.ifname, "a veth has none",
                    "use a tap");
    cable_->stall(on);
}

void Nic::delay(std::chrono::milliseconds by) {
    where();
    if (!cable_)
        throw Error(EOPNOTSUPP, "delay the frames of " + spec_.ifname, "a veth has no queue",
                    "use a tap");
    cable_->delay_from_b(by);
}

void Nic::flood(bool on) {
    where();
    const char *value = on ? "on" : "off";
    spawn({"bridge", "-n", switch_.name(), "link", "set", "dev", port_, "bcast_flood", value,
           "mcast_flood", value});
}

void Nic::mtu(unsigned bytes) {
    spec_.mtu = bytes;
    if (!present()) return;
    ip_batch(switch_.name(), fmt::format("link set dev {} mtu {}\n", port_, bytes));
    link_set(fmt::format("mtu {}", bytes));
}

void Nic::mac(const std::string &address) {
    spec_.mac = address;
    if (present()) link_set("address " + address);
}

void Nic::rename(const std::string &ifname) {
    if (present()) link_set("name " + ifname);
    spec_.ifname = ifname;
}

unsigned Nic::ifindex() const {
    const unsigned index = in_netns(where(), [&] { return if_nametoindex(spec_.ifname.c_str()); });
    if (index == 0) throw Error(errno, "find " + spec_.ifname + " in " + where().name());
    return index;
}

NicCounters Nic::counters() const {
    std::ifstream table =
        in_netns(where(), [] { return std::ifstream("/proc/thread-self/net/dev"); });
    for (std::string line; std::getline(table, line);) {
        const auto colon = line.find(':');
        const auto start = line.find_first_not_of(' ');
        if (colon == line.npos || line.substr(start, colon - start) != spec_.ifname) continue;
        std::istringstream fields(line.substr(colon + 1));
        std::uint64_t value[16] = {};
        for (auto &v : value)
            fields >> v;
        return {.rx = value[1], .tx = value[9]}; // packets; bytes stand before them
    }
    throw Error(ENODEV, "read the counters of " + spec_.ifname + " in " + where().name());
}

} // namespace hitless::testbed
