// SPDX-License-Identifier: BSD-2-Clause
//
// Broadcast and multicast: every frame exactly once, whatever the network floods where.
#include "selftests/pair_test.hpp"

#include "testbed/raw.hpp"

#include <list>

namespace hitless::selftest {
namespace {

struct Group {
    const char *name, *address;
    std::uint16_t port;
};
constexpr Group groups[] = {
    {"broadcast", Testbed::broadcast4, 7710},
    {"IPv4 multicast", "239.7.7.7", 7711},
    {"IPv6 multicast", "ff15::77", 7712},
};
constexpr unsigned rate = 2'000;

/// Six numbered flows: three kinds, both ways.
class Groups {
  public:
    Groups(Testbed &bed, const std::string &master) {
        for (const Group &g : groups) {
            add("up", g, bed.guest(), master, bed.far(), "lan", 1);
            add("down", g, bed.far(), "lan", bed.guest(), master, 2);
        }
        for (Entry &e : flows_)
            e.flow.start();
        EXPECT_TRUE(until([&] { return arrived(100); }));
        mark();
    }
    void mark() {
        for (Entry &e : flows_)
            e.from = e.flow.mark();
    }
    bool arrived(std::uint64_t more) {
        for (Entry &e : flows_)
            if (e.flow.receiver().seen() < e.from + more) return false;
        return true;
    }
    void expect_exactly_once(const std::string &when) {
        EXPECT_TRUE(until([&] { return arrived(600); })) << when;
        for (Entry &e : flows_) {
            const Tally t = e.flow.since(e.from, default_patience);
            fmt::print("  {:<24} {:<5} {:<15} {}\n", when, e.way, e.name, text(t));
            EXPECT_EQ(t.lost, 0U) << when << " " << e.way << " " << e.name;
            EXPECT_EQ(t.duplicated, 0U) << when << " " << e.way << " " << e.name;
        }
        mark();
    }

  private:
    struct Entry {
        Entry(const char *w, const char *n, const Netns &a, const FlowSpec &send, const Netns &b,
              const FlowSpec &receive)
            : way(w), name(n), flow(a, send, b, receive) {}
        std::string way, name;
        Flow flow;
        std::uint64_t from = 0;
    };
    void add(const char *way, const Group &g, const Netns &from, const std::string &by,
             const Netns &to, const std::string &on, std::uint32_t id) {
        FlowSpec send{.to = g.address, .port = g.port, .ifname = by, .rate = rate, .id = id};
        FlowSpec receive = send;
        receive.ifname = on;
        if (send.to == Testbed::broadcast4) send.ifname = receive.ifname = "";
        flows_.emplace_back(way, g.name, from, send, to, receive);
    }
    std::list<Entry> flows_;
};

class Cast : public PairTest {
  protected:
    void SetUp() override {
        PairTest::SetUp();
        pair().attach();
        ASSERT_TRUE(pair().becomes("primary"));
        ASSERT_TRUE(bed().addresses_ready(pair().master())); // IPv6 multicast wants a source
    }
};

TEST_P(Cast, ExactlyOnceWhateverIsFlooded) {
    Groups flows(bed(), pair().master());
    const auto twins = pair().counter("drop_twin"), echoes = pair().counter("drop_echo");
    flows.expect_exactly_once("both flooded");
    EXPECT_GT(pair().counter("drop_twin"), twins) << "no copy came by both NICs";
    EXPECT_GT(pair().counter("drop_echo"), echoes) << "no echo came back";
    bed().primary().flood(false);
    flows.mark();
    flows.expect_exactly_once("standby only");
    bed().primary().flood(true);
    bed().standby().flood(false);
    flows.mark();
    flows.expect_exactly_once("primary only");
    bed().standby().flood(true);
    flows.expect_exactly_once("both again");
}

TEST_P(Cast, ExactlyOnceAcrossFlips) {
    Groups flows(bed(), pair().master());
    for (const char *path : {"standby", "primary", "standby", "primary", "standby", "auto"})
        ASSERT_EQ(pair().cli({"switch", "standby", path}).code, 0);
    flows.expect_exactly_once("six switches");
    pair().primary().admin(false);
    ASSERT_FALSE(pair().is_up("primary"));
    flows.expect_exactly_once("primary down");
}

// Frames exactly as sent: a witness of one ethertype stands behind the datapath, unlike tcpdump.
TEST_P(Cast, OwnFramesDoNotComeBack) {
    PacketSocket witness =
        in_netns(bed().guest(), [&] { return PacketSocket(pair().master(), 0x88b5); });
    PacketSocket far = in_netns(bed().far(), [] { return PacketSocket("lan", 0x88b5); });
    PacketSocket sender =
        in_netns(bed().guest(), [&] { return PacketSocket(pair().master(), 0x88b6); });
    PacketSocket loop = in_netns(bed().far(), [] { return PacketSocket("lan", 0x88b6); });
    auto own = from_hex("ffffffffffff 525400770002 88b5 6f776e");
    auto other = from_hex("ffffffffffff 525400770099 88b5 6f74686572");
    own.resize(60);
    other.resize(60);

    auto echoes = pair().counter("drop_echo");
    sender.send(own); // out by the primary, back by the standby
    ASSERT_TRUE(far.next(default_patience)) << "the frame did not leave";
    EXPECT_TRUE(until([&] { return pair().counter("drop_echo") > echoes; }));
    echoes = pair().counter("drop_echo");
    loop.send(own); // a loop in the network: our address, sent by somebody else
    EXPECT_TRUE(until([&] { return pair().counter("drop_echo") >= echoes + 2; }));
    EXPECT_FALSE(witness.next(100ms)) << "an own frame was delivered";

    loop.send(other);
    EXPECT_TRUE(witness.next(default_patience)) << "the witness is blind";
    EXPECT_FALSE(witness.next(100ms)) << "delivered twice";
}

/// A paravirtual NIC hands on what the host's own stack sent with its checksum unfinished.
TEST_P(Cast, AnUnfinishedChecksumMakesNoOtherFrame) {
    bed().primary().finish_frames();
    for (const Group &g : groups) {
        FlowSpec send{.to = g.address, .port = g.port, .ifname = "lan", .rate = rate};
        FlowSpec receive = send;
        receive.ifname = pair().master();
        if (send.to == Testbed::broadcast4) send.ifname = receive.ifname = "";
        const auto twins = pair().counter("drop_twin");
        Flow flow(bed().far(), send, bed().guest(), receive);
        flow.start();
        EXPECT_TRUE(until([&] { return flow.mark() >= 200; }));
        flow.stop();
        const Tally got = flow.since(0, default_patience);
        EXPECT_TRUE(got.hitless()) << g.name << ": " << text(got);
        EXPECT_GE(pair().counter("drop_twin"), twins + 200) << "no copy came by both NICs";
    }
}

TEST_P(Cast, PaddingOnOneSideMakesNoOtherFrame) {
    constexpr std::uint16_t arp = 0x0806, own = 0x88b5;
    const char *const contents[] = {
        "0806 0001 0800 06 04 0001 525400770099 0a4d0063 000000000000 0a4d00",
        "8100 0000 0806 0001 0800 06 04 0001 525400770099 0a4d0063 000000000000 0a4d01",
        "88b5 6f74686572"};
    auto port = [&](Nic &nic) {
        return in_netns(bed().switch_ns(), [&] { return PacketSocket(nic.port(), 0x88b6); });
    };
    PacketSocket primary = port(bed().primary()), standby = port(bed().standby());
    for (const char *content : contents) {
        const bool is_arp = std::string_view(content).find("0806") != std::string_view::npos;
        PacketSocket witness = in_netns(
            bed().guest(), [&] { return PacketSocket(pair().master(), is_arp ? arp : own); });
        for (unsigned i = 0; i < 20; i++) {
            auto frame = from_hex(fmt::format("ffffffffffff 525400770099 {} {:02x}", content, i));
            auto padded = frame;
            padded.resize(60, is_arp ? 0xa5 : 0); // some drivers pad with what lay there
            primary.send(i % 2 ? frame : padded);
            standby.send(i % 2 ? padded : frame);
            EXPECT_TRUE(witness.next(1s)) << content;
            EXPECT_FALSE(witness.next(5ms)) << "delivered twice: " << content;
        }
    }
}

HL_INSTANTIATE_MODELS(Cast);

} // namespace
} // namespace hitless::selftest
