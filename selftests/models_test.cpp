// SPDX-License-Identifier: BSD-2-Clause
//
// What the models promise beyond frames: the user's settings travel, captures are complete, and
// what is refused or destroyed leaves nothing behind.
#include "selftests/pair_test.hpp"
#include "selftests/pins.hpp"
#include "selftests/programs.hpp"
#include "testbed/bulk.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <net/if.h>
#include <sys/socket.h>

namespace hitless::selftest {
namespace {

class Models : public PairTest {
  protected:
    std::string shown(const std::vector<std::string> &what) const {
        std::vector<std::string> command{"ip", "-n", pair_->guest().name()};
        command.insert(command.end(), what.begin(), what.end());
        return run(command).out;
    }
    /// Nothing of ours: no namespace, no device.
    bool nothing_left() const {
        for (const auto &entry : std::filesystem::directory_iterator("/run/netns"))
            if (entry.path().filename().string().starts_with(
                    fmt::format("hitless-{}-", in_netns(pair_->guest(), netns_cookie))))
                return false;
        return shown({"link"}).find("fo-") == std::string::npos;
    }
    static std::uint64_t netns_cookie() {
        const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        std::uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);
        getsockopt(probe.get(), SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &size);
        return cookie;
    }
};

TEST_P(Models, SettingsTravelThereAndBack) {
    ASSERT_TRUE(bed().addresses_ready());
    const std::string guest = bed().guest().name();
    ip_batch(guest, "addr add 10.77.0.77/24 dev standby\n"
                    "addr add 192.0.2.1/32 dev standby valid_lft 5000 preferred_lft 4000\n"
                    "route add default via 10.77.0.1 metric 50\n"
                    "route add 198.51.100.0/24 via 10.77.0.1 src 10.77.0.77 metric 70\n"
                    "route add 2001:db8::/32 via fd77::1 dev standby\n"
                    "route add local 203.0.113.0/24 dev standby\n"
                    "route add local 2001:db8:5::/64 dev standby\n"
                    "addr add 2001:db8:7::1/64 dev standby nodad\n"
                    "addr add 2001:db8:7::2/64 dev standby nodad\n"
                    "neigh add 10.77.0.50 lladdr 52:54:00:00:00:50 nud permanent dev standby\n"
                    "neigh add proxy 10.77.0.51 dev standby\n"
                    "neigh add proxy fd77::51 dev standby\n");
    bed().guest().sysctl("net/ipv4/conf/standby/arp_notify", "1");
    const auto state = [&](const std::string &dev) {
        std::string all = shown({"route"}) + shown({"-6", "route"}) +
                          shown({"route", "show", "table", "local", "proto", "boot"}) +
                          shown({"-6", "route", "show", "table", "local", "proto", "boot"}) +
                          shown({"neigh", "show", "nud", "permanent"}) +
                          shown({"neigh", "show", "proxy"}) +
                          shown({"-6", "neigh", "show", "proxy"});
        for (std::size_t at = 0; (at = all.find(dev, at)) != all.npos;)
            all.replace(at, dev.size(), "DEV");
        std::vector<std::string> lines;
        std::istringstream text(all);
        for (std::string line; std::getline(text, line);)
            lines.push_back(line);
        std::ranges::sort(lines);
        return fmt::format("{}", fmt::join(lines, "\n"));
    };
    const auto addresses = [&](const std::string &dev) {
        const std::string all = shown({"-o", "addr", "show", "dev", dev});
        return std::ranges::count(all, '\n');
    };
    /// The first of those that fit is what the guest speaks as.
    const auto speaks_as = [&] { return shown({"-6", "route", "get", "2001:db8:7::99"}); };
    const auto ends_with_source = [](const std::string &route) {
        return route.substr(route.find(" src "));
    };
    const std::string before = state("standby"), source = ends_with_source(speaks_as());
    ASSERT_NE(before.find("local 203.0.113.0/24"), std::string::npos) << before;
    const auto count = addresses("standby");
    pair().attach();
    EXPECT_EQ(state(pair().master()), before);
    EXPECT_EQ(ends_with_source(speaks_as()), source);
    EXPECT_EQ(addresses(pair().master()), count) << shown({"addr"});
    std::string value = run({"ip", "netns", "exec", guest, "cat",
                             "/proc/sys/net/ipv4/conf/" + pair().master() + "/arp_notify"})
                            .out;
    EXPECT_EQ(value, "1\n");
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(state("standby"), before);
    EXPECT_EQ(ends_with_source(speaks_as()), source);
    EXPECT_EQ(addresses("standby"), count) << shown({"addr"});
    EXPECT_TRUE(nothing_left());
}

// What is told to the device itself and to its neighbour tables, which no address carries along.
TEST_P(Models, WhatADeviceWasToldTravelsThereAndBack) {
    ASSERT_TRUE(bed().addresses_ready());
    const std::map<std::string, std::string> sysctls{
        {"net/ipv4/neigh/{}/base_reachable_time_ms", "12000"},
        {"net/ipv4/neigh/{}/gc_stale_time", "77"},
        {"net/ipv6/neigh/{}/retrans_time_ms", "1500"},
        {"net/ipv6/neigh/{}/ucast_solicit", "5"},
        {"net/ipv6/conf/{}/mtu", "1400"}};
    for (const auto &[name, value] : sysctls)
        bed().guest().sysctl(fmt::format(fmt::runtime(name), "standby"), value);
    spawn({"ip", "-n", bed().guest().name(), "link", "set", "dev", "standby", "alias", "the uplink",
           "gso_max_size", "32000", "gso_max_segs", "20"});
    const auto expect_at = [&](const std::string &device) {
        for (const auto &[name, value] : sysctls) {
            const std::string path = fmt::format(fmt::runtime(name), device);
            EXPECT_EQ(
                run({"ip", "netns", "exec", bed().guest().name(), "cat", "/proc/sys/" + path}).out,
                value + "\n")
                << path;
        }
        const std::string link = shown({"-d", "link", "show", "dev", device});
        for (const char *words : {"alias the uplink", "gso_max_size 32000", "gso_max_segs 20"})
            EXPECT_NE(link.find(words), std::string::npos) << words << ": " << link;
    };
    expect_at("standby");
    pair().attach();
    expect_at(pair().master());
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    expect_at("standby");
    EXPECT_TRUE(nothing_left());
}

// Only the kernel makes temporary addresses: they go along as ordinary ones, and that is said.
TEST_P(Models, TemporaryAddressesAreNamed) {
    ASSERT_TRUE(bed().addresses_ready());
    const auto temporary_of = [&](const std::string &device) {
        std::istringstream lines(shown({"-o", "-6", "addr", "show", "dev", device}));
        for (std::string line; std::getline(lines, line);)
            if (size_t at = line.find("inet6 "); line.find(" temporary") != line.npos)
                return line.substr(at + 6, line.find(' ', at + 6) - at - 6);
        return std::string();
    };
    bed().guest().sysctl("net/ipv6/conf/standby/use_tempaddr", "2");
    ip_batch(bed().guest().name(), "addr add 2001:db8:7::1/64 dev standby mngtmpaddr nodad\n");
    ASSERT_TRUE(until([&] { return !temporary_of("standby").empty(); }));
    const std::string first = temporary_of("standby");
    const Outcome attached =
        pair().cli({"attach", "standby", "--primary", "mac", "--model", pair().model()});
    ASSERT_EQ(attached.code, 0) << attached.shown();
    EXPECT_NE(attached.err.find(first + " is an ordinary address on " + pair().master()),
              std::string::npos)
        << attached.shown();
    EXPECT_NE(shown({"-6", "addr", "show", "dev", pair().master()}).find(first), std::string::npos);
    EXPECT_TRUE(until([&] { return !temporary_of(pair().master()).empty(); }))
        << "the kernel makes no other";
    const std::string second = temporary_of(pair().master());
    EXPECT_NE(second, first);
    const Outcome detached = pair().cli({"detach", "standby"});
    EXPECT_EQ(detached.code, 0) << detached.shown();
    EXPECT_NE(detached.err.find(second + " is an ordinary address on standby"), std::string::npos)
        << detached.shown();
}

// Debian's rp_filter: what comes in by a device without addresses is dropped.
TEST_P(Models, DetachLosesNothingWhereSourcesAreChecked) {
    if (pair().model() != "three") GTEST_SKIP() << "the others' NICs move, with a gap";
    for (const char *conf : {"all", "default", "standby", "primary"})
        bed().guest().sysctl(fmt::format("net/ipv4/conf/{}/rp_filter", conf), "2");
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    for (int i = 0; i < 5; i++) {
        pair().attach();
        ASSERT_TRUE(traffic.pass(500));
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        ASSERT_TRUE(traffic.pass(500));
    }
    const Both got = traffic.since(from);
    traffic.report("5 x attach and detach, rp_filter 2", got);
    expect_nothing_lost("attach and detach with rp_filter", got);
}

// TCP that was open before, in both directions, byte by byte.
TEST_P(Models, TcpSurvivesAttachAndDetach) {
    ASSERT_TRUE(bed().addresses_ready());
    Bulk up(bed().guest(), bed().far(),
            {.to = Testbed::far4, .port = 7720, .bytes_per_s = 5'000'000});
    Bulk down(bed().far(), bed().guest(),
              {.to = Testbed::guest6, .port = 7721, .bytes_per_s = 5'000'000});
    const auto flows = [&] {
        const auto a = up.report().bytes + 500'000, b = down.report().bytes + 500'000;
        return until([&] { return up.report().bytes > a && down.report().bytes > b; });
    };
    ASSERT_TRUE(flows());
    pair().attach();
    EXPECT_TRUE(flows()) << "attached";
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(flows()) << "detached";
    for (Bulk *bulk : {&up, &down}) {
        const BulkReport r = bulk->finish();
        fmt::print("  TCP {}: longest stall {:.1f} ms\n", bulk == &up ? "up" : "down",
                   static_cast<double>(r.longest_stall_ns) / 1e6);
        EXPECT_EQ(r.error, 0);
        EXPECT_FALSE(r.wrong_at);
    }
}

// A capture on the failover device sees every frame of both directions; in the model three what is
// sent is seen on the NICs, which stand beside it.
TEST_P(Models, CapturesAreComplete) {
    pair().attach();
    for (const char *path : {"primary", "standby"}) {
        ASSERT_EQ(pair().cli({"switch", "standby", path, "--wait"}).code, 0);
        const bool beside = pair().model_row().nics == PairNetns::guest;
        const std::string sent_on = beside ? path : pair().master();
        PacketSocket capture =
            in_netns(bed().guest(), [&] { return PacketSocket(pair().master()); });
        PacketSocket out = in_netns(bed().guest(), [&] { return PacketSocket(sent_on, 0, true); });
        PacketSocket far = in_netns(bed().far(), [] { return PacketSocket("lan", 0x88b5); });
        PacketSocket guest =
            in_netns(bed().guest(), [&] { return PacketSocket(pair().master(), 0x88b5); });
        const auto count = [](PacketSocket &socket, const std::vector<std::uint8_t> &mark) {
            int found = 0;
            while (auto got = socket.next(found < 20 ? default_patience : 50ms))
                found += !std::ranges::search(got->bytes, mark).empty();
            return found;
        };
        auto up = from_hex("ffffffffffff 525400770002 88b5 7570"),
             down = from_hex("525400770002 525400770099 88b5 646f776e");
        up.resize(60);
        down.resize(60);
        for (int i = 0; i < 20; ++i) {
            guest.send(up);
            far.send(down);
        }
        EXPECT_EQ(count(out, from_hex("88b57570")), 20) << "sent by the " << path;
        EXPECT_EQ(count(capture, from_hex("88b5646f776e")), 20) << "received by the " << path;
    }
}

TEST_P(Models, AHotAddedPrimaryIsTakenAtOnce) {
    pair().primary().remove();
    pair().attach();
    pair().start_controller();
    bed().primary().add();
    ASSERT_TRUE(pair().becomes("primary")) << pair().controller().out();
    EXPECT_EQ(pair().controller().out().find("moved to hitless-") != std::string::npos,
              pair().model_row().nics == PairNetns::hidden)
        << pair().controller().out();
    fmt::print("  {}", pair().controller().out());
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
}

TEST_P(Models, ConvertsWithAGapThatTcpSurvives) {
    ASSERT_EQ(pair().cli({"attach", "standby", "--primary", "mac", "--hold-down", "20"}).code, 0);
    Bulk up(bed().guest(), bed().far(),
            {.to = Testbed::far4, .port = 7720, .bytes_per_s = 5'000'000});
    const auto flows = [&] {
        const auto more = up.report().bytes + 500'000;
        return until([&] { return up.report().bytes > more; });
    };
    ASSERT_TRUE(flows());
    pair().start_controller(); // which would make a pair as soon as it sees none
    const std::string model = pair().model();
    const Outcome refused = pair().cli({"convert", "standby", "--model", model});
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("--gap"), std::string::npos) << refused.shown();
    EXPECT_EQ(pair().status()["model"], "two");
    const Outcome there = pair().cli({"convert", "standby", "--model", model, "--gap"});
    EXPECT_EQ(there.code, 0) << there.shown();
    EXPECT_EQ(pair().status()["model"], model);
    EXPECT_TRUE(flows()) << model;
    const Outcome back = pair().cli({"convert", pair().master(), "--model", "two", "--gap"});
    EXPECT_EQ(back.code, 0) << back.shown();
    EXPECT_TRUE(flows()) << "two";
    const BulkReport r = up.finish();
    EXPECT_EQ(r.error, 0);
    EXPECT_FALSE(r.wrong_at);
    EXPECT_TRUE(nothing_left());
}

TEST_P(Models, WhatFailsLeavesNothingBehind) {
    const auto links = [&] { return shown({"-d", "link"}) + shown({"addr"}) + shown({"route"}); };
    ASSERT_TRUE(bed().addresses_ready());
    const std::string before = links();
    ip_batch(bed().guest().name(), "link set dev primary address 52:54:00:99:00:01\n");
    EXPECT_EQ(
        pair().cli({"attach", "standby", "--primary", "primary", "--model", pair().model()}).code,
        1);
    ip_batch(bed().guest().name(), "link set dev primary address 52:54:00:77:00:02\n"
                                   "link add link standby name above type macvlan\n");
    const Outcome refused = pair().cli({"attach", "standby", "--model", pair().model()});
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("above"), std::string::npos) << "it would hear nothing";
    ip_batch(bed().guest().name(), "link del above\n");
    EXPECT_EQ(links(), before);
    EXPECT_TRUE(nothing_left());
}

// As at early boot: nothing is up yet, and has no address.
TEST_P(Models, WhatWasDownAtFirstIsGivenBackAsItIs) {
    const std::string guest = bed().guest().name();
    ip_batch(guest, "link set dev standby down\naddr flush dev standby\n");
    pair().attach();
    ip_batch(guest, fmt::format("link set dev {0} up\naddr add {1}/24 dev {0}\n"
                                "route add default via {2}\n",
                                pair().master(), Testbed::guest4, Testbed::far4));
    const Outcome o = pair().cli({"detach", "standby"});
    ASSERT_EQ(o.code, 0) << o.shown();
    EXPECT_NE(shown({"route"}).find(fmt::format("default via {} dev standby", Testbed::far4)),
              std::string::npos)
        << shown({"route"});
    EXPECT_NE(shown({"link", "show", "up"}).find("standby"), std::string::npos);
    EXPECT_TRUE(nothing_left());
}

// All is made, but not published: as if the power had gone there.
TEST_P(Models, WhatACrashLeftIsClearedByTheNextAttach) {
    pair().attach();
    const std::string bpffs = PrivateState::dir() + "/bpf";
    for (const std::filesystem::path &pin : pins()) // iproute2 makes directories there, too
        if (pin.filename().string().starts_with("link_")) {
            std::filesystem::rename(pin.parent_path(), bpffs + "/stage");
            break;
        }
    ASSERT_EQ(pair().cli({"status"}).code, 3);
    const Outcome again = pair().cli({"attach", "standby", "--model", pair().model()});
    EXPECT_EQ(again.code, 0) << again.shown();
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(nothing_left());
}

// Below 1280 a device has no IPv6, as all have none where the kernel has none.
TEST_P(Models, ANicWithoutIpv6HasAMasterWithoutIt) {
    ip_batch(bed().guest().name(), "link set dev standby mtu 1000\n");
    ASSERT_EQ(shown({"-6", "addr", "show", "dev", "standby"}), "");
    pair().attach();
    EXPECT_EQ(shown({"-6", "addr", "show", "dev", pair().master()}), "");
    EXPECT_NE(shown({"-4", "addr", "show", "dev", pair().master()}), "");
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(nothing_left());
}

class HiddenNics : public Models {};

// In the guest's namespace the standby's name is free for others, unless the failover device has
// it.
TEST_P(HiddenNics, APrimaryMayHaveAnyName) {
    pair().primary().remove();
    pair().attach();
    bed().primary().add();
    const char *name = pair().model_row().takes_name ? "another" : "standby";
    ip_batch(bed().guest().name(), fmt::format("link set dev primary name {}\n", name));
    pair().start_controller();
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
    EXPECT_TRUE(Traffic(bed(), 2000).pass(200));
    EXPECT_EQ(pair().cli({"detach", pair().master()}).code, 0);
    EXPECT_TRUE(nothing_left());
}

TEST_P(HiddenNics, ADestroyedNamespaceIsSaidAndCleared) {
    pair().attach();
    const std::string netns = pair().private_netns();
    spawn({"ip", "netns", "del", netns});
    // Virtual NICs die with it.
    ASSERT_TRUE(until([&] { return shown({"link"}).find("fo-standby") == std::string::npos; }));
    EXPECT_NE(pair().cli({"status"}).code, 0);
    EXPECT_EQ(pair().cli({"detach", "--all"}).code, 0);
    EXPECT_EQ(pair().cli({"status"}).code, 3);
    EXPECT_TRUE(nothing_left());
}

// A filter, which kernels without tcx have, is found by the number of its device, and numbers of
// the private namespace are other devices' in the guest's: here of a device with an empty clsact
// qdisc.
TEST_P(HiddenNics, DetachTouchesNoOtherDeviceOfTheSameNumber) {
    const std::string guest = bed().guest().name();
    pair().attach();
    const Netns home = Netns::of_others(pair().private_netns());
    std::vector<std::string> others;
    for (const std::string nic : {"primary", "standby"}) {
        const auto number = in_netns(home, [&] { return if_nametoindex(nic.c_str()); });
        ASSERT_NE(number, 0U) << nic;
        char name[IF_NAMESIZE] = {};
        if (!in_netns(bed().guest(), [&] { return if_indextoname(number, name); })) {
            strncpy(name, ("other-" + nic).c_str(), sizeof(name) - 1);
            ip_batch(guest, fmt::format("link add index {} name {} type bridge\n", number, name));
        }
        if (name == pair().master()) continue; // which is the pair's own, and goes with it
        others.emplace_back(name);
        spawn({"tc", "-n", guest, "qdisc", "add", "dev", name, "clsact"});
    }
    const auto qdiscs = [&] {
        std::string all;
        for (const std::string &name : others)
            all += spawn({"tc", "-n", guest, "qdisc", "show", "dev", name, "clsact"});
        return all;
    };
    const std::string before = qdiscs();
    ASSERT_FALSE(others.empty());
    ASSERT_EQ(std::ranges::count(before, '\n'), static_cast<std::ptrdiff_t>(others.size()));
    ASSERT_EQ(pair().cli({"detach", pair().master()}).code, 0);
    EXPECT_EQ(qdiscs(), before);
    for (const char *nic : {"primary", "standby"}) {
        EXPECT_EQ(run({"tc", "-n", guest, "filter", "show", "dev", nic, "ingress"}).out, "") << nic;
        EXPECT_TRUE(tcx_programs(bed().guest(), nic, TcxSide::ingress).empty()) << nic;
    }
    EXPECT_TRUE(nothing_left());
}

INSTANTIATE_TEST_SUITE_P(
    Model, Models,
    testing::Values(Setting(NicKind::veth, HL_MODEL_THREE), Setting(NicKind::tap, HL_MODEL_THREE),
                    Setting(NicKind::veth, HL_MODEL_HIDDEN), Setting(NicKind::tap, HL_MODEL_HIDDEN),
                    Setting(NicKind::veth, HL_MODEL_ONE), Setting(NicKind::tap, HL_MODEL_ONE)),
    [](const auto &with) { return name_of(with.param); });

// As in a unit with mounts of its own, with which the namespace and its NICs would end.
TEST_P(HiddenNics, AreNotPutWhereTheMachinesMountsAreOutOfSight) {
    const Outcome o = run({"setpriv", "--bounding-set=-sys_ptrace", hitless_binary(), "-n",
                           bed().guest().name(), "attach", "standby", "--model", pair().model()});
    EXPECT_EQ(o.code, 77) << o.shown(); // no permission
    EXPECT_NE(o.err.find("models.conf"), std::string::npos) << o.err;
    EXPECT_NE(shown({"link"}).find("standby"), std::string::npos);
    EXPECT_TRUE(nothing_left());
}

INSTANTIATE_TEST_SUITE_P(Model, HiddenNics,
                         testing::Values(Setting(NicKind::veth, HL_MODEL_HIDDEN),
                                         Setting(NicKind::veth, HL_MODEL_ONE)),
                         [](const auto &with) { return name_of(with.param); });

} // namespace
} // namespace hitless::selftest
