// SPDX-License-Identifier: BSD-2-Clause
//
// `--datapath xdp`: a failover device for guests that forward. The same losses as of tc, by frames
// that no stack of the guest sees; and what would break frames is refused, whole.
#include "loader/core/error.hpp"
#include "selftests/nested.hpp"
#include "selftests/pair_test.hpp"
#include "selftests/ping.hpp"
#include "selftests/xsk.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <functional>
#include <linux/bpf.h>
#include <net/if.h>

namespace hitless::selftest {
namespace {

constexpr auto failover = "fo-standby";

void ip(const Netns &ns, const std::string &what) {
    std::vector<std::string> command{"ip", "-n", ns.name()};
    std::istringstream words(what);
    for (std::string word; words >> word;)
        command.push_back(word);
    spawn(command);
}

class Forward : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        bed().finish_frames();
    }
    Outcome try_attach(std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"attach", "standby", "--primary", "mac", "--datapath", "xdp",
                                   "--checksums-complete", "--hold-down", "20"});
        return pair().cli(more);
    }
    void attach() {
        const Outcome o = try_attach();
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_TRUE(pair().becomes("primary"));
        pair().move_addresses();
        ASSERT_EQ(pair().status()["problems"], Json::array());
    }
    std::string links() { return spawn({"ip", "-n", bed().guest().name(), "-br", "link"}); }
    /// By the kernel's word: a native program is there.
    bool has_xdp(const std::string &ifname) {
        return pair().link(ifname).find(" xdp ") != std::string::npos;
    }
};

TEST_P(Forward, SwitchesLoseNothing) {
    attach();
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    for (int i = 0; i < 10; i++)
        for (const char *path : {"standby", "auto"})
            ASSERT_EQ(pair().cli({"switch", "standby", path}).code, 0);
    ASSERT_TRUE(traffic.pass(1000));
    const Both got = traffic.since(from);
    traffic.report("20 switches", got);
    expect_nothing_lost("20 switches", got);
    EXPECT_GE(pair().status()["flips"].get<int>(), 20);
}

// Frames that XDP redirects never become the guest's business on the NIC: a tap sees none.
TEST_P(Forward, FramesPassTheNicsStackUnseen) {
    attach();
    ASSERT_TRUE(has_xdp("primary") && has_xdp("standby") && has_xdp("fo-standby-in"));
    Traffic traffic(bed());
    PacketSocket witness = in_netns(bed().guest(), [] { return PacketSocket("primary", 0x0800); });
    const auto received = pair().counter("rx_primary");
    ASSERT_TRUE(traffic.pass(2000));
    EXPECT_GT(pair().counter("rx_primary"), received + 1000);
    EXPECT_FALSE(witness.next(20ms)) << "frames reached the primary's stack";
}

TEST_P(Forward, LossOfThePrimaryAndItsReturn) {
    attach();
    pair().start_controller();
    Traffic traffic(bed());
    struct Event {
        const char *name;
        std::function<void(bool)> happens; // true: lost
    };
    const Event events[] = {
        {"admin down", [&](bool lost) { pair().primary().admin(!lost); }},
        {"carrier loss", [&](bool lost) { pair().primary().carrier(!lost); }},
        {"netns move",
         [&](bool lost) { pair().primary().move_to(lost ? bed().elsewhere() : bed().guest()); }},
        {"deletion", [&](bool lost) { lost ? pair().primary().remove() : pair().primary().add(); }},
    };
    for (const Event &event : events) {
        Marks from = traffic.mark();
        event.happens(true);
        ASSERT_TRUE(traffic.pass(1000)) << event.name;
        Both got = traffic.since(from);
        traffic.report(event.name, got);
        expect_lost_at_most(event.name, got.up, 1 + pair().refused());
        expect_lost_at_most(event.name, got.down, traffic.unheard(got)); // the switch must learn
        EXPECT_TRUE(pair().becomes("standby")) << event.name;
        from = traffic.mark();
        event.happens(false);
        ASSERT_TRUE(pair().becomes("primary")) << event.name << pair().controller().out();
        ASSERT_TRUE(traffic.pass(1000));
        got = traffic.since(from);
        traffic.report("  return", got);
        expect_nothing_lost("return", got);
        EXPECT_TRUE(has_xdp("primary")) << event.name;
    }
}

TEST_P(Forward, BroadcastArrivesExactlyOnce) {
    attach();
    FlowSpec spec{.to = Testbed::broadcast4, .port = 7710, .rate = 2000};
    Flow flow(bed().far(), bed().guest(), spec);
    const auto twins = pair().counter("drop_twin");
    flow.start();
    ASSERT_TRUE(until([&] { return flow.receiver().seen() > 1000; }));
    const Tally got = flow.since(0);
    EXPECT_EQ(got.lost, 0u);
    EXPECT_EQ(got.duplicated, 0u);
    EXPECT_GT(pair().counter("drop_twin"), twins) << "no copy came by both NICs";
}

TEST_P(Forward, AGuestBehindABridgeIsReached) {
    attach();
    const Nested nested(bed().guest(), failover, Nested::Joined::bridge);
    for (const char *path : {"auto", "standby", "auto"}) {
        ASSERT_EQ(pair().cli({"switch", "standby", path}).code, 0);
        const auto echoes = pair().counter("drop_echo");
        for (int i = 0; i < 5; i++) {
            ip(nested.netns(), fmt::format("neigh flush dev {}", Nested::ifname));
            EXPECT_TRUE(ping(nested.netns(), Testbed::far4, default_patience)) << path;
            EXPECT_EQ(nested.learned_at(), "vn") << path;
        }
        EXPECT_GT(pair().counter("drop_echo"), echoes) << "no echo came back";
    }
}

TEST_P(Forward, NothingOfABridgedGuestComesBack) {
    attach();
    const Nested nested(bed().guest(), failover, Nested::Joined::bridge);
    expect_no_echo(pair(), nested, "ffffffffffff");
    expect_no_echo(pair(), nested, "333300000001");
    expect_no_echo(pair(), nested, "525400770099"); // nobody's: the switch floods it
    EXPECT_EQ(nested.learned_at(), "vn");
}

TEST_P(Forward, APrivateMacvlanDoesNotHearItself) {
    attach();
    const Nested nested(bed().guest(), failover, Nested::Joined::macvlan_private);
    expect_no_echo(pair(), nested, "ffffffffffff");
    EXPECT_TRUE(ping(nested.netns(), Testbed::far4, default_patience));
}

TEST_P(Forward, UnicastThatIsFloodedArrivesOnce) {
    attach();
    const Nested nested(bed().guest(), failover, Nested::Joined::bridge);
    ASSERT_TRUE(ping(nested.netns(), Testbed::far4, default_patience));
    flood_unicast(bed());
    const auto twins = pair().counter("drop_twin");
    const Tally got = sent_to(bed(), nested.netns(), Nested::address4, Nested::mac);
    EXPECT_TRUE(got.hitless()) << text(got);
    EXPECT_GE(pair().counter("drop_twin"), twins + 300) << "the switch did not flood";
}

TEST_P(Forward, APortsProtocolIsHeardOnItsNic) {
    attach();
    for (Nic *nic : {&bed().primary(), &bed().standby()}) {
        PacketSocket port =
            in_netns(bed().guest(), [&] { return PacketSocket(nic->ifname(), 0x88cc); });
        PacketSocket master =
            in_netns(bed().guest(), [] { return PacketSocket(failover, 0x88cc); });
        PacketSocket far =
            in_netns(bed().switch_ns(), [&] { return PacketSocket(nic->port(), 0x88b6); });
        for (int i = 0; i < 20; i++) {
            auto frame = from_hex(fmt::format("0180c200000e 525400770099 88cc {:02x} {:08x}", i,
                                              nic->ifindex())); // else twins of the other's
            frame.resize(60);
            far.send(frame);
            EXPECT_TRUE(port.next(1s)) << nic->ifname();
            EXPECT_TRUE(master.next(1s)) << failover;
        }
    }
}

TEST_P(Forward, DetachLeavesNothing) {
    const std::string before = links();
    attach();
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(links(), before);
    EXPECT_FALSE(has_xdp("standby") || has_xdp("primary"));
}

// Its programs stay on the NICs, and let everything pass.
TEST_P(Forward, WithoutTheFailoverDeviceTheNicsArePlainNics) {
    attach();
    ip(bed().guest(), fmt::format("link del {}", failover));
    ip(bed().guest(), fmt::format("addr add {}/24 broadcast + dev standby", Testbed::guest4));
    EXPECT_TRUE(Traffic(bed(), 2000).pass(100));
    EXPECT_EQ(pair().cli({"status"}).code, 2);
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_FALSE(has_xdp("standby"));
}

TEST_P(Forward, UnfinishedFramesAreRefused) {
    const std::string before = links();
    const Outcome o = pair().cli({"attach", "standby", "--primary", "mac", "--datapath", "xdp"});
    EXPECT_EQ(o.code, 1);
    EXPECT_NE(o.err.find("checksum"), std::string::npos) << o.shown();
    EXPECT_EQ(links(), before);
    EXPECT_EQ(pair().cli({"status"}).code, 3);
}

TEST_P(Forward, JumboFramesPassOrAreRefused) {
    bed().mtu(9000);
    const Outcome o = try_attach();
    if (GetParam() == NicKind::tap) { // sends XDP frames in one piece only
        EXPECT_EQ(o.code, 1);
        EXPECT_NE(o.err.find("MTU 9000"), std::string::npos) << o.shown();
        EXPECT_EQ(pair().cli({"status"}).code, 3);
        return;
    }
    ASSERT_EQ(o.code, 0) << o.shown();
    ip(bed().guest(), "addr flush dev standby");
    ip(bed().guest(), fmt::format("addr add {}/24 broadcast + dev {}", Testbed::guest4, failover));
    Traffic traffic(bed(), 1000, 8900);
    const Marks from = traffic.mark();
    ASSERT_TRUE(traffic.pass(500));
    expect_nothing_lost("MTU 9000", traffic.since(from));
}

/// A program of somebody else's, which passes every frame; the link is its owner.
Fd attach_foreign_xdp(const Netns &ns, const char *ifname) {
    const bpf_insn pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K,
         .dst_reg = 0,
         .src_reg = 0,
         .off = 0,
         .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    const Fd program(
        bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, std::size(pass), nullptr));
    return in_netns(ns, [&] {
        return Fd(bpf_link_create(program.get(), static_cast<int>(if_nametoindex(ifname)), BPF_XDP,
                                  nullptr));
    });
}

TEST_P(Forward, AProgramOutsideTheDispatcherIsLeftAloneAndNamed) {
    const Fd foreign = attach_foreign_xdp(bed().guest(), "primary");
    ASSERT_TRUE(foreign) << strerror(errno);
    const Outcome o = try_attach();
    EXPECT_EQ(o.code, 1);
    EXPECT_NE(
        o.err.find("another XDP program is there and this kernel, or that program, takes none"),
        std::string::npos)
        << o.shown();
    EXPECT_TRUE(has_xdp("primary")) << "somebody else's program is gone";
    EXPECT_EQ(pair().cli({"status"}).code, 3);
}

TEST_P(Forward, TheModelTwoIsRefused) {
    const Outcome o = try_attach({"--model", "two"});
    EXPECT_EQ(o.code, 1);
    EXPECT_NE(o.err.find("failover device"), std::string::npos) << o.shown();
}

// The article's row of userspace drivers: the socket lives on while paths come and go.
TEST_P(Forward, AnXdpSocketKeepsReceiving) {
    attach();
    pair().start_controller();
    ip(bed().far(), fmt::format("neigh replace {} lladdr {} dev lan nud permanent", Testbed::guest4,
                                Testbed::mac));
    XdpSocket socket = in_netns(bed().guest(), [] { return XdpSocket(failover); });
    PacketSocket speak = in_netns(bed().guest(), [] { return PacketSocket(failover, 0x88b6); });
    auto hello = from_hex("ffffffffffff 525400770002 88b5");
    hello.resize(60);
    speak.send(hello); // the switch learns where the guest is
    Flow flow(bed().far(), bed().guest(), {.to = Testbed::guest4, .rate = 2000});
    const auto sends = [&](std::uint64_t more) {
        const std::uint64_t goal = flow.mark() + more;
        return until([&] { return socket.poll(), flow.mark() >= goal; });
    };
    /// Frames flow while something happens; how many of them the socket missed.
    const auto missed = [&](const std::function<void()> &happens,
                            std::chrono::milliseconds patience = default_patience) {
        const std::uint64_t sent = flow.mark(), had = socket.received();
        flow.start();
        EXPECT_TRUE(sends(500));
        happens();
        EXPECT_TRUE(sends(1000));
        flow.stop();
        const std::uint64_t due = flow.mark() - sent;
        until([&] { return socket.poll(), socket.received() - had >= due; }, patience);
        return static_cast<std::int64_t>(due - (socket.received() - had));
    };
    EXPECT_EQ(missed([] {}), 0) << "the control";
    EXPECT_EQ(missed([&] {
                  for (const char *path : {"standby", "auto", "standby", "auto"}) {
                      EXPECT_EQ(pair().cli({"switch", "standby", path}).code, 0);
                      EXPECT_EQ(pair().active(),
                                path == std::string_view("auto") ? "primary" : "standby");
                      EXPECT_TRUE(sends(200));
                  }
              }),
              0)
        << "planned switches";
    const std::int64_t on_loss = missed(
        [&] {
            pair().primary().admin(false);
            EXPECT_TRUE(until([&] { return socket.poll(), pair().active() == "standby"; }));
        },
        2s);
    EXPECT_GE(on_loss, 0) << "twice";
    fmt::print("  AF_XDP socket: {} frames missed on loss, at 2,000 a second\n", on_loss);
    const std::uint64_t by_standby = pair().counter("rx_standby");
    EXPECT_EQ(missed([] {}), 0) << "on the standby";
    EXPECT_GE(pair().counter("rx_standby") - by_standby, 1500u) << "they came another way";
    EXPECT_EQ(missed([&] {
                  pair().primary().admin(true);
                  EXPECT_TRUE(until([&] { return socket.poll(), pair().active() == "primary"; }));
              }),
              0)
        << "the return";
    const std::uint64_t by_primary = pair().counter("rx_primary");
    EXPECT_EQ(missed([] {}), 0) << "on the primary again";
    EXPECT_GE(pair().counter("rx_primary") - by_primary, 1500u) << "they came another way";
}

HL_INSTANTIATE(Forward);

class Gate : public PairTest {};

TEST_P(Gate, TapsSeeEachFrameOnce) {
    if (GetParam() == NicKind::veth) {
        const Outcome o = pair().cli({"attach", "standby", "--primary", "mac", "--gate"});
        EXPECT_EQ(o.code, 1);
        EXPECT_NE(o.err.find("gives up"), std::string::npos) << o.shown();
        EXPECT_EQ(pair().cli({"status"}).code, 3);
        return;
    }
    pair().attach({"--gate", "--hold-down", "20"});
    ASSERT_TRUE(pair().becomes("primary"));
    PacketSocket tap = in_netns(bed().guest(), [] { return PacketSocket("standby"); });
    PacketSocket behind = in_netns(bed().guest(), [] { return PacketSocket("standby", 0x88b5); });
    PacketSocket far = in_netns(bed().far(), [] { return PacketSocket("lan", 0x88b6); });
    constexpr int frames = 50;
    for (std::uint8_t i = 0; i < frames; i++) {
        // tc finds the tag beside the frame, the gate inside.
        const char *tag = i % 2 ? "8100 0007" : "";
        auto frame = from_hex(fmt::format("ffffffffffff 525400770099 {} 88b5 {:02x}", tag, i));
        frame.resize(60);
        far.send(frame);
    }
    EXPECT_TRUE(until([&] { return pair().counter("drop_twin") >= frames; }));
    auto count = [](PacketSocket &socket) {
        int n = 0;
        while (auto got = socket.next(n < frames ? default_patience : 50ms))
            if (got->bytes[12] == 0x88 && got->bytes[13] == 0xb5) n++;
        return n;
    };
    EXPECT_EQ(count(behind), frames) << "delivered once each";
    EXPECT_EQ(count(tap), frames) << "the tap saw twins";
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(pair().link("standby").find(" xdp "), std::string::npos);
}

/// libxdp names what it pins after the device's number, which another namespace's device has, too.
TEST_P(Gate, GoesWithoutTakingThatOfAnotherNamespaceAlong) {
    if (GetParam() == NicKind::veth) GTEST_SKIP() << "no gate on a veth";
    Pair other(GetParam());
    for (Pair *each : {&pair(), &other}) {
        each->attach({"--gate", "--hold-down", "20"});
        ASSERT_TRUE(each->becomes("primary"));
    }
    ASSERT_EQ(pair().status()["standby"]["ifindex"], other.status()["standby"]["ifindex"]);
    EXPECT_EQ(other.cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(pair().status()["problems"], Json::array());
    EXPECT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_EQ(pair().link("standby").find(" xdp "), std::string::npos) << "the gate is still there";
}

HL_INSTANTIATE(Gate);

} // namespace
} // namespace hitless::selftest
