// SPDX-License-Identifier: BSD-2-Clause
//
// The guest with a host: it says nothing before the host does, it comes and goes as the host wants
// without a lost frame, and nobody but the host, by the standby, is obeyed.
#include "selftests/fake_host.hpp"
#include "selftests/pair_test.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

namespace hitless::selftest {
namespace {

using Phase = HostChannel::Phase;

class HostWord : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    static bool reaches(const FakeHost &host, Phase phase) {
        return until([&] { return host.phase() == phase; });
    }
    /// A socket for the channel at the switch's port of a NIC.
    PacketSocket at(Nic &nic) {
        return in_netns(bed().switch_ns(),
                        [&] { return PacketSocket(nic.port(), HL_CHANNEL_ETHERTYPE); });
    }
    bool vetoes(const char *reason) const { return pair_->veto().contains(reason); }
};

TEST_P(HostWord, GiveAndTakeLoseNothing) {
    constexpr int rounds = 10;
    Traffic traffic(bed());
    traffic.control();
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    ASSERT_TRUE(vetoes("host"));
    const auto by_primary = pair().counter("tx_primary"), by_standby = pair().counter("tx_standby");
    const Marks from = traffic.mark();
    for (int i = 0; i < rounds; i++) {
        host.request(true);
        ASSERT_TRUE(reaches(host, Phase::given));
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(traffic.pass(500));
        host.request(false);
        ASSERT_TRUE(reaches(host, Phase::taken));
        ASSERT_FALSE(host.seen().overdue) << "the guest was waited for in vain";
        EXPECT_EQ(host.seen().guest.primary, GuestPrimary::left);
        ASSERT_TRUE(traffic.pass(500));
    }
    const Both got = traffic.since(from);
    traffic.report(fmt::format("{} gives and takes", rounds), got);
    EXPECT_GE(pair().counter("tx_primary") - by_primary, rounds * 400U);
    EXPECT_GE(pair().counter("tx_standby") - by_standby, rounds * 400U);
    expect_nothing_lost("gives and takes", got);
}

/// A primary that would not receive is not what a host may deliver to.
TEST_P(HostWord, IsReadyOnlyWhereItReceives) {
    struct Fault {
        const char *name;
        std::function<void(bool)> set;
    };
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    for (const Fault &fault :
         {Fault{"it is down", [&](bool on) { pair().primary().admin(!on); }},
          {"it has no carrier", [&](bool on) { pair().primary().carrier(!on); }}}) {
        fault.set(true);
        ASSERT_TRUE(until([&] { return !pair().has_carrier("primary"); })) << fault.name;
        host.request(true);
        ASSERT_TRUE(until([&] { return host.seen().guest.primary == GuestPrimary::present; }))
            << fault.name;
        const auto messages = host.seen().heard_messages;
        EXPECT_TRUE(until([&] {
            EXPECT_NE(host.phase(), Phase::given) << fault.name;
            return host.seen().heard_messages >= messages + 2;
        }));
        EXPECT_EQ(host.seen().guest.primary, GuestPrimary::present) << fault.name;
        fault.set(false);
        EXPECT_TRUE(reaches(host, Phase::given)) << fault.name;
        host.request(false);
        ASSERT_TRUE(reaches(host, Phase::taken)) << fault.name;
    }
}

/// What was queued when the host asked is sent before the guest says that it has left.
TEST_P(HostWord, HasLeftWhenItsQueueIsEmpty) {
    FakeHost host(bed());
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    const std::string home = pair().home_of("primary");
    const auto queued = [&] {
        const Json list = Json::parse(
            spawn({"tc", "-n", home, "-s", "-j", "qdisc", "show", "dev", "primary", "root"}));
        return list[0]["backlog"].get<unsigned>();
    };
    const auto fill = [&](const char *rate, unsigned bytes) {
        spawn({"tc", "-n", home, "qdisc", "replace", "dev", "primary", "root", "tbf", "rate", rate,
               "burst", "2kb", "limit", "1mb"});
        PacketSocket from = in_netns(pair().guest(), [&] { return PacketSocket(pair().master()); });
        std::vector<std::uint8_t> frame(1000, 0);
        std::fill_n(frame.begin(), 6, 0x02); // to nobody
        std::copy_n(Mac::parse(Testbed::mac)->bytes.begin(), 6, frame.begin() + 6);
        for (unsigned sent = 0; sent < bytes; sent += 1000)
            from.send(frame);
    };
    ASSERT_TRUE(until([&] {      // until there was something to wait for
        fill("16mbit", 100'000); // 50 ms
        host.request(false);
        const bool some = queued() > 0;
        EXPECT_TRUE(until([&] { return host.seen().guest.primary == GuestPrimary::left; }));
        EXPECT_EQ(queued(), 0U);
        EXPECT_TRUE(reaches(host, Phase::taken));
        host.request(true);
        EXPECT_TRUE(reaches(host, Phase::given));
        EXPECT_TRUE(pair().becomes("primary"));
        return some || HasFailure();
    }));
    fill("80kbit", 100'000); // 10 s: a guest does not keep its host for that
    host.request(false);
    ASSERT_TRUE(until([&] { return host.seen().guest.primary == GuestPrimary::left; }));
    EXPECT_GT(queued(), 0U);
    EXPECT_FALSE(host.seen().overdue);
}

/// The control: this is what the order is for, and what the figures above would show.
TEST_P(HostWord, TheOtherOrderLoses) {
    Traffic traffic(bed());
    FakeHost host(bed());
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    const Marks from = traffic.mark();
    host.block(true); // withdrawn before the guest was asked
    const auto sent = traffic.mark().up;
    ASSERT_TRUE(until([&] { return traffic.mark().up >= sent + 200; }));
    host.request(false);
    ASSERT_TRUE(reaches(host, Phase::taken));
    ASSERT_TRUE(traffic.pass(500));
    traffic.report("withdrawn first, asked then", traffic.since(from));
    EXPECT_GT(traffic.since(from).up.lost, 0U);
}

TEST_P(HostWord, TheGuestSpeaksOnlyWhenSpokenTo) {
    PacketSocket by_standby = at(bed().standby()), by_primary = at(bed().primary());
    const auto count = [](PacketSocket &socket, std::chrono::milliseconds patience) {
        unsigned out = 0;
        for (; socket.next(patience); out++)
            continue;
        return out;
    };
    for (const char *path : {"standby", "primary"})
        ASSERT_EQ(pair().cli({"switch", "standby", path, "--wait"}).code, 0);
    EXPECT_EQ(count(by_standby, 2500ms), 0U);
    FakeHost host(bed());
    ASSERT_TRUE(until([&] { return host.seen().heard; }));
    EXPECT_GT(count(by_standby, 20ms), 0U) << "the control: it is heard here when it speaks";
    EXPECT_EQ(count(by_primary, 20ms), 0U);
}

/// With every number right: by the primary it means nothing, by the standby it is the host's word.
TEST_P(HostWord, NobodyIsHeardByThePrimary) {
    FakeHost host(bed());
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    host.silence(true);
    PacketSocket by_standby = at(bed().standby()), by_primary = at(bed().primary());
    const auto forged = [&] {
        ChannelMessage out = host.seen().said;
        out.id.epoch += 1000;
        out.echo = host.seen().last.id;
        out.host = {DataPath::standby, DataPath::standby, 5000};
        return out;
    };
    for (int i = 0; i < 100; i++)
        send_as_host(by_primary, forged());
    ChannelMessage unknown = forged(); // a host that was never there
    unknown.id.nonce ^= 1;
    for (int i = 0; i < 100; i++)
        send_as_host(by_primary, unknown);
    const auto answers = [&] { // to the unknown one
        unsigned out = 0;
        while (const auto frame = by_standby.next(300ms))
            out += decode_frame(frame->bytes).message.echo.nonce == unknown.id.nonce;
        return out;
    };
    EXPECT_EQ(answers(), 0U);
    EXPECT_FALSE(vetoes("host"));
    EXPECT_EQ(pair().active(), "primary");

    send_as_host(by_standby, forged());
    EXPECT_TRUE(until([&] { return vetoes("host"); })) << "the control: the forgery is a good one";
}

/// The pair is made again while the host wants the standby, and says nothing more.
TEST_P(HostWord, ATakeOutlivesThePair) {
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    ASSERT_TRUE(vetoes("host"));
    host.silence(true);
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    pair().attach();
    ASSERT_TRUE(until([&] { return vetoes("host"); }));
    EXPECT_EQ(pair().active(), "standby");
}

TEST_P(HostWord, AControllerThatIsKilledInATakeReachesLeft) {
    Traffic traffic(bed());
    FakeHost host(bed());
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    const Marks from = traffic.mark();
    host.deaf(100); // so that it cannot be over before the controller is dead
    host.request(false);
    pair().kill_controller();
    host.deaf(0);
    pair().start_controller();
    ASSERT_TRUE(until([&] { return host.seen().guest.primary == GuestPrimary::left; }));
    ASSERT_TRUE(reaches(host, Phase::taken));
    EXPECT_TRUE(vetoes("host"));
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("controller killed in a take", got);
    expect_nothing_lost("controller killed in a take", got);
}

/// The veto was set, and the controller is dead before it can say so.
TEST_P(HostWord, AControllerThatIsKilledAfterTheVetoReachesLeft) {
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    pair().kill_controller();
    ASSERT_TRUE(vetoes("host"));
    const auto messages = host.seen().heard_messages;
    pair().start_controller();
    ASSERT_TRUE(until([&] {
        return host.seen().heard_messages > messages &&
               host.seen().guest.primary == GuestPrimary::left;
    }));
    EXPECT_TRUE(vetoes("host"));
    host.request(true);
    EXPECT_TRUE(pair().becomes("primary"));
}

TEST_P(HostWord, ALeaseThatEndsOnThePrimaryChangesNothing) {
    FakeHost host(bed(), {.deadline = default_patience, .lease = 1000ms});
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    const auto flips = pair().status()["flips"].get<int>();
    PacketSocket by_standby = at(bed().standby());
    host.silence(true);
    // It goes on asking while the lease lasts and a while longer, and then it is silent.
    ASSERT_TRUE(until([&] { return !by_standby.next(3000ms); }));
    EXPECT_EQ(pair().status()["flips"].get<int>(), flips);
    EXPECT_EQ(pair().active(), "primary");
}

TEST_P(HostWord, ALeaseThatEndsOnTheStandbyLeavesADoubt) {
    FakeHost host(bed(), {.deadline = default_patience, .lease = 1000ms});
    ASSERT_TRUE(reaches(host, Phase::taken));
    Traffic traffic(bed());
    const Marks from = traffic.mark();
    host.silence(true);
    ASSERT_TRUE(until([&] { return !vetoes("host"); }));
    EXPECT_TRUE(vetoes("unproven"));
    host.block(false);                 // frames get out by it now, and answers come by the standby
    ASSERT_TRUE(traffic.pass(20'000)); // five times the time after which a path is used unproved
    EXPECT_TRUE(vetoes("unproven"));
    EXPECT_EQ(pair().active(), "standby");
    host.deliver(DataPath::primary);
    EXPECT_TRUE(pair().becomes("primary"));
    ASSERT_TRUE(traffic.pass(500));
    const Both got = traffic.since(from);
    traffic.report("host gone, and its doubt resolved", got);
    expect_nothing_lost("host gone, and its doubt resolved", got);
}

TEST_P(HostWord, AnOperatorOverrulesItUntilItSaysSomethingNew) {
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    ASSERT_TRUE(vetoes("host"));
    host.block(false);
    ASSERT_EQ(pair().cli({"switch", "standby", "primary"}).code, 0);
    ASSERT_FALSE(vetoes("host"));
    const auto messages = host.seen().heard_messages;
    ASSERT_TRUE(until([&] { return host.seen().heard_messages > messages + 2; }));
    EXPECT_FALSE(vetoes("host")) << "it has said the same again, and no more";
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given)); // at once: the guest uses it already
    ASSERT_TRUE(until([&] { return pair().status()["host"]["want"] == "primary"; }));
    host.request(false);
    EXPECT_TRUE(until([&] { return vetoes("host"); }));
}

TEST_P(HostWord, LeavesNothingBehind) {
    const auto groups = [&](const std::string &ns) {
        return run({"ip", "-n", ns, "maddr", "show", "dev", "standby"}).out;
    };
    const std::string home = pair().home_of("standby");
    FakeHost host(bed());
    ASSERT_TRUE(until([&] { return host.seen().heard; }));
    EXPECT_NE(run({"ip", "-n", pair().private_netns().empty() ? home : pair().private_netns(),
                   "maddr", "show", "dev", "standby"})
                  .out.find("01:80:c2:00:00:0e"),
              std::string::npos);
    host.silence(true);
    ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
    EXPECT_TRUE(until([&] {
        return groups(bed().guest().name()).find("01:80:c2:00:00:0e") == std::string::npos;
    }));
}

/// Frames of the channel that say nothing, or something else: counted, and that is all.
TEST_P(HostWord, WhatIsMalformedIsCountedAndIgnored) {
    FakeHost host(bed());
    host.request(true);
    ASSERT_TRUE(reaches(host, Phase::given));
    ASSERT_TRUE(pair().becomes("primary"));
    host.silence(true);
    PacketSocket port = at(bed().standby());
    std::vector<uint8_t> frame = encode_frame(Mac{{2, 0, 0, 0, 0, 1}}, host.seen().said);
    const auto ignored = [&] { return pair().status()["host"]["ignored"].get<unsigned>(); };
    const unsigned before = ignored();
    ChannelMessage replay = host.seen().said;
    replay.host = {DataPath::standby, DataPath::standby, 5000};
    replay.id.epoch = 1;
    constexpr unsigned kinds = 4;
    frame[14 + 5] = 200; // a version that nobody understands
    port.send(frame);
    frame[14] ^= 1; // not of the channel
    port.send(frame);
    frame.resize(20);
    port.send(frame);
    send_as_host(port, replay);
    EXPECT_TRUE(until([&] { return ignored() >= before + kinds; })) << pair().status().dump();
    EXPECT_FALSE(vetoes("host"));
    EXPECT_EQ(pair().active(), "primary");
}

TEST_P(HostWord, StatusAndExplainSayWhatItWants) {
    EXPECT_TRUE(pair().status()["host"].is_null());
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    const Json told = pair().status()["host"];
    EXPECT_EQ(told["speaks"], true);
    EXPECT_EQ(told["want"], "standby");
    EXPECT_EQ(told["downlink"], "standby");
    EXPECT_EQ(told["told"], "left");
    EXPECT_NE(pair().cli({"explain", "standby"}).out.find("The host wants the standby"),
              std::string::npos);
    EXPECT_NE(pair().cli({"status", "standby"}).out.find("host     wants the standby"),
              std::string::npos);
    EXPECT_NE(pair().cli({"metrics"}).out.find("hitless_channel_host_speaks"), std::string::npos);
    EXPECT_TRUE(pair().controller_says("the host wants the standby and delivers by the standby"));
}

/// Both words stand side by side while it gives: it wants the primary, and still delivers by the
/// standby.
TEST_P(HostWord, WhatIsSaidOfAGiveThatIsNotOverDoesNotContradictItself) {
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    pair().primary().admin(false); // not ready, so that the give stays where it is
    host.request(true);
    ASSERT_TRUE(until([&] { return pair().status()["host"]["want"] == "primary"; }));
    const std::string said = pair().cli({"status", "standby"}).out;
    EXPECT_NE(said.find("host     wants the primary, delivers by the standby"), std::string::npos)
        << said;
    EXPECT_NE(said.find("host (the host has taken the primary, or has not given it yet)"),
              std::string::npos)
        << said;
}

/// A lease of a second is over when it is said: since the last message it is longer.
TEST_P(HostWord, ItsSilenceBeginsWithItsLastMessage) {
    FakeHost host(bed(), {.deadline = default_patience, .lease = 1000ms});
    ASSERT_TRUE(reaches(host, Phase::taken));
    host.silence(true);
    ASSERT_TRUE(until([&] { return pair().status()["host"]["speaks"] == false; }));
    const std::string said = pair().cli({"status", "standby"}).out;
    const size_t at = said.find("silent for ");
    ASSERT_NE(at, std::string::npos) << said;
    EXPECT_GE(std::stod(said.substr(at + strlen("silent for "))), 1.0) << said;
    EXPECT_NE(said.find("it wanted the standby and delivered by the standby"), std::string::npos)
        << said;
}

/// Somebody switched it off: what the host decided is void, and nobody answers.
TEST_P(HostWord, IsSwitchedOffByTheConfiguration) {
    FakeHost host(bed());
    ASSERT_TRUE(reaches(host, Phase::taken));
    ASSERT_TRUE(vetoes("host"));
    pair().kill_controller();
    pair().start_controller({"--config", pair().config("host = false\n")});
    EXPECT_TRUE(until([&] { return !vetoes("host"); }));
    const auto messages = host.seen().heard_messages, said = host.seen().said_messages;
    ASSERT_TRUE(until([&] { return host.seen().said_messages > said + 2; }));
    EXPECT_EQ(host.seen().heard_messages, messages);
}

HL_INSTANTIATE_MODELS(HostWord);

/// The other transport, as a pseudo-terminal: the host is obeyed and answered there.
TEST(HostPort, IsHeardAndAnswered) {
    termios raw{};
    cfmakeraw(&raw);
    int master = -1, slave = -1;
    char name[64];
    ASSERT_EQ(openpty(&master, &slave, name, &raw, nullptr), 0);
    const Fd host_end(master), guest_end(slave);
    fcntl(master, F_SETFL, O_NONBLOCK);
    setenv("HITLESS_HOST_PORT", name, 1);
    Pair pair(NicKind::veth);
    pair.attach();
    pair.start_controller();
    unsetenv("HITLESS_HOST_PORT");
    ASSERT_TRUE(pair.becomes("primary"));
    PacketSocket wire = in_netns(pair.bed().switch_ns(), [&] {
        return PacketSocket(pair.bed().standby().port(), HL_CHANNEL_ETHERTYPE);
    });
    HostChannel channel({.deadline = default_patience}, 77);
    const auto hosts = [&] {
        uint8_t bytes[sizeof(hl_channel_message)];
        while (read(master, bytes, sizeof(bytes)) == sizeof(bytes))
            channel.hear(decode_message(bytes).message, Instant(now_ns()));
        const auto actions =
            channel.step({false, DataPath::standby, std::nullopt}, Instant(now_ns()));
        if (actions.send) {
            const std::vector<uint8_t> out = encode_message(*actions.send);
            EXPECT_EQ(write(master, out.data(), out.size()), static_cast<ssize_t>(out.size()));
        }
        return channel.guest() && channel.guest()->primary == GuestPrimary::left;
    };
    EXPECT_TRUE(until(hosts));
    EXPECT_TRUE(pair.veto().contains("host"));
    EXPECT_FALSE(wire.next(20ms)) << "by the port it was asked, by the port it answers";
}

} // namespace
} // namespace hitless::selftest
