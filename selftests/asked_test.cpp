// SPDX-License-Identifier: BSD-2-Clause
//
// Whom the path is proved by, and how: a guest with one address family, a neighbour that answers
// no echo, one that is written down, and nobody at all.
#include "selftests/figure.hpp"
#include "selftests/hole.hpp"
#include "testbed/process.hpp"
#include "testbed/raw.hpp"

#include <arpa/inet.h>
#include <map>

namespace hitless::selftest {
namespace {

/// The only way in which this guest can ask, and what a question looks like on the wire.
struct Way {
    const char *name;
    bool six;
    bool echo;             ///< the neighbour answers it
    const char *far;       ///< whom the guest talks to
    const char *neighbour; ///< whom it can ask: `far`, or the router on the way there
};
void PrintTo(const Way &way, std::ostream *out) {
    *out << way.name;
}
constexpr Way ways[] = {
    {"Echo4", false, true, Testbed::far4, Testbed::far4},
    {"Arp", false, false, Testbed::far4, Testbed::far4},
    {"Echo6", true, true, Testbed::far6, Testbed::far6},
    {"Router6", true, true, "fd99::1", "fe80::77"},
    {"Discovery", true, false, Testbed::far6, Testbed::far6},
};

/// Who a question is for: the address asked by an echo or resolved by ARP or neighbour discovery;
/// "" for all else.
std::string asked(const std::vector<std::uint8_t> &frame) {
    constexpr std::size_t l3 = 14;
    const auto text = [&](int family, std::size_t at) {
        char out[INET6_ADDRSTRLEN] = "";
        if (frame.size() >= at + (family == AF_INET ? 4 : 16))
            inet_ntop(family, &frame[at], out, sizeof out);
        return std::string(out);
    };
    if (frame.size() < 42) return "";
    const unsigned type = frame[12] << 8 | frame[13];
    if (type == 0x0806 && frame[l3 + 7] == 1) return text(AF_INET, l3 + 24);
    if (type == 0x0800 && frame[l3 + 9] == 1 && frame[l3 + 20] == 8) return text(AF_INET, l3 + 16);
    if (type != 0x86dd || frame[l3 + 6] != IPPROTO_ICMPV6) return "";
    if (frame[l3 + 40] == 128) return text(AF_INET6, l3 + 24);
    return frame[l3 + 40] == 135 ? text(AF_INET6, l3 + 48) : "";
}

/// Questions that left by the primary until so many went to one neighbour, by whom they asked;
/// under "everybody" those that were not unicast. No more when they do not come.
std::map<std::string, unsigned> questions(Pair &pair, const std::string &to,
                                          unsigned until_so_many) {
    PacketSocket wire =
        in_netns(pair.bed().switch_ns(), [&] { return PacketSocket(pair.primary().port()); });
    std::map<std::string, unsigned> out;
    until([&] {
        while (const auto frame = wire.next(0ms)) {
            const std::string whom = asked(frame->bytes);
            if (!whom.empty()) ++out[frame->bytes[0] & 1 ? "everybody" : whom];
        }
        return out[to] >= until_so_many;
    });
    return out;
}

using Params = std::tuple<NicKind, Way>;

class Asked : public testing::TestWithParam<Params> {
  protected:
    static constexpr std::chrono::milliseconds interval = 20ms; // the default

    void SetUp() override {
        const Way &way = std::get<1>(GetParam());
        pair_ = std::make_unique<Pair>(std::get<0>(GetParam()));
        Testbed &bed = pair().bed();
        way.six ? leave_six(bed, way) : leave_four(bed);
        if (!way.echo)
            bed.far().sysctl(
                way.six ? "net/ipv6/icmp/echo_ignore_all" : "net/ipv4/icmp_echo_ignore_all", "1");
        ends_ = {way.six ? Testbed::guest6 : Testbed::guest4, way.far};
        pair().attach();
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    static void leave_four(Testbed &bed) {
        bed.guest().sysctl("net/ipv6/conf/standby/disable_ipv6", "1");
        bed.far().sysctl("net/ipv6/conf/lan/disable_ipv6", "1");
    }
    static void leave_six(Testbed &bed, const Way &way) {
        ip_batch(bed.guest().name(), fmt::format("addr del {}/24 dev standby\n", Testbed::guest4));
        ip_batch(bed.far().name(), fmt::format("addr del {}/24 dev lan\n", Testbed::far4));
        ASSERT_TRUE(bed.addresses_ready());
        if (way.far == way.neighbour) return;
        bed.far().sysctl("net/ipv6/conf/all/forwarding", "1");
        ip_batch(bed.far().name(), fmt::format("addr flush dev lan\n"
                                               "addr add {}/64 dev lan nodad\n"
                                               "addr add {}/128 dev lo nodad\n"
                                               "route add fd77::/64 dev lan\n",
                                               way.neighbour, way.far));
        ip_batch(bed.guest().name(),
                 fmt::format("route add default via {} dev standby\n", way.neighbour));
    }

    Pair &pair() { return *pair_; }
    std::string neighbour() const { return std::get<1>(GetParam()).neighbour; }
    Traffic traffic(unsigned rate = hole_rate) { return Traffic(pair().bed(), rate, 64, ends_); }

  private:
    std::unique_ptr<Pair> pair_;
    Ends ends_;
};

TEST_P(Asked, APathIsUsedOnceItsNeighbourAnswers) {
    Traffic flows = traffic();
    pair().primary().carrier(false);
    ASSERT_TRUE(pair().becomes("standby"));
    pair().primary().blackhole(Direction::both, true);
    Marks from = flows.mark();
    pair().primary().carrier(true);
    ASSERT_TRUE(until([&] { return pair().veto() == std::set<std::string>{"unproven"}; }))
        << pair().cli({"status"}).out;
    ASSERT_TRUE(flows.pass(hole_rate)); // a second: nobody waits for the timer
    EXPECT_EQ(pair().active(), "standby");
    expect_nothing_lost("carrier, but no path", flows.since(from));
    from = flows.mark();
    pair().primary().blackhole(Direction::both, false);
    ASSERT_TRUE(pair().becomes("primary")) << pair().cli({"status"}).out;
    ASSERT_TRUE(flows.pass(1000));
    expect_nothing_lost("the path opens", flows.since(from));
}

TEST_P(Asked, AHoleInUseIsLeft) {
    Traffic flows = traffic();
    for (const Direction direction : {Direction::rx, Direction::tx})
        expect_hole_left("hole, asked so", pair(), direction, flows);
}

TEST_P(Asked, QuestionsAreUnicastAndNoMoreThanConfigured) {
    Traffic flows = traffic(2000);
    ASSERT_TRUE(flows.pass(2000)); // it has found the way that is answered
    const auto start = now_ns();
    const auto seen = questions(pair(), neighbour(), 75);
    const auto most = (now_ns() - start) / static_cast<std::uint64_t>(interval.count() * 1'000'000);
    // A neighbour may have several addresses, and the guest's kernel now and then asks, too.
    unsigned all = 0;
    for (const auto &[whom, times] : seen) {
        fmt::print("  {} asked {} times; at most {} configured\n", whom, times, most);
        all += times;
    }
    EXPECT_FALSE(seen.contains("everybody"));
    EXPECT_GE(seen.at(neighbour()), 75U);
    EXPECT_LE(all, most + 3);
    EXPECT_EQ(pair().active(), "primary");
}

INSTANTIATE_TEST_SUITE_P(Nic, Asked,
                         testing::Combine(testing::Values(NicKind::veth, NicKind::tap),
                                          testing::ValuesIn(ways)),
                         [](const auto &test) {
                             return name_of(std::get<0>(test.param)) + std::get<1>(test.param).name;
                         });

class Whom : public PairTest {};

/// A permanent neighbour goes before the router and whoever else was heard of.
TEST_P(Whom, TheOneThatIsWrittenDownIsAskedFirst) {
    constexpr const char *four = "10.77.0.9", *six = "fd77::9";
    const std::string shown =
        spawn({"ip", "-n", bed().far().name(), "-j", "link", "show", "dev", "lan"});
    const std::string mac = Json::parse(shown)[0]["address"];
    ip_batch(bed().far().name(),
             fmt::format("addr add {}/24 dev lan\naddr add {}/64 dev lan nodad\n", four, six));
    ip_batch(bed().guest().name(),
             fmt::format("route add default via {} dev standby\n", Testbed::far4));
    ASSERT_TRUE(bed().addresses_ready());
    pair().attach();
    for (const char *address : {four, six}) {
        ip_batch(bed().guest().name(), fmt::format("neigh replace {} lladdr {} nud permanent dev "
                                                   "standby\n",
                                                   address, mac));
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
        Traffic flows(bed(), 2000); // to the router
        const auto seen = questions(pair(), address, 25);
        EXPECT_GE(seen.at(address), 25U);
        EXPECT_FALSE(seen.contains(Testbed::far4) && seen.at(Testbed::far4) > 3);
        pair().kill_controller();
        ip_batch(bed().guest().name(), fmt::format("neigh del {} dev standby\n", address));
    }
}

/// Nobody there to ask: after proof_timeout_ms it is used all the same, and not before.
TEST_P(Whom, WithNobodyToAskATimerDecides) {
    constexpr auto timeout = 500ms;
    bed().guest().sysctl("net/ipv6/conf/standby/disable_ipv6", "1"); // it would talk to itself
    pair().attach({"--hold-down", "20", "--proof-timeout", std::to_string(timeout.count())});
    pair().start_controller();
    const std::string known =
        spawn({"ip", "-n", bed().guest().name(), "neigh", "show", "dev", "standby"});
    ASSERT_EQ(known, "") << "there is somebody to ask";
    ASSERT_TRUE(pair().becomes("primary"));
    pair().primary().admin(false);
    EXPECT_TRUE(pair().becomes("standby"));
    // Frames leave a primary that is down before anybody has noticed; one that is up again by then
    // needs no other proof.
    EXPECT_TRUE(until([&] { return !pair().veto().empty(); })) << "nobody has noticed";
    const auto start = now_ns();
    pair().primary().admin(true);
    EXPECT_TRUE(pair().becomes("primary"));
    const double took = static_cast<double>(now_ns() - start) / 1e6;
    figure("used though nobody answers, timer of 500 ms", took);
    EXPECT_GE(took, timeout.count()) << "what proved it?";
}

HL_INSTANTIATE(Whom);

} // namespace
} // namespace hitless::selftest
