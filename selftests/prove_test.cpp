// SPDX-License-Identifier: BSD-2-Clause
//
// A carrier says that a cable is plugged in, not that frames pass. The path must be proved before
// it is used, and left when it turns out a hole.
#include "selftests/figure.hpp"
#include "selftests/hole.hpp"
#include "testbed/raw.hpp"

#include <algorithm>
#include <atomic>
#include <map>

namespace hitless::selftest {
namespace {

constexpr const char *direction_names[] = {"Rx", "Tx", "Both"};

using Params = std::tuple<NicKind, Direction>;

/// A reply to a question of the controller's that it has long had answered, and one to none.
std::vector<std::vector<std::uint8_t>> forged_answers(Pair &pair) {
    PacketSocket lan = in_netns(pair.bed().far(), [] { return PacketSocket("lan", 0x0800); });
    for (const auto end = now_ns() + 10'000'000'000; now_ns() < end;) {
        const auto seen = lan.next(100ms);
        constexpr std::size_t ip = 14, icmp = ip + 20;
        if (!seen || seen->bytes.size() < icmp + 24 || seen->bytes[ip + 9] != 1 ||
            seen->bytes[icmp] != 8)
            continue;
        auto reply = seen->bytes;
        std::swap_ranges(reply.begin(), reply.begin() + 6, reply.begin() + 6);
        std::swap_ranges(reply.begin() + ip + 12, reply.begin() + ip + 16, reply.begin() + ip + 16);
        const auto sum = (reply[icmp + 2] << 8 | reply[icmp + 3]) + 0x0800; // type 8 becomes 0
        const auto folded = (sum & 0xffff) + (sum >> 16);
        reply[icmp] = 0;
        reply[icmp + 2] = static_cast<std::uint8_t>(folded >> 8);
        reply[icmp + 3] = static_cast<std::uint8_t>(folded);
        auto made_up = reply; // two bytes of the nonce change places: the checksum still holds
        std::swap(made_up[icmp + 8], made_up[icmp + 10]);
        return {reply, made_up};
    }
    return {};
}

class BlackHole : public testing::TestWithParam<Params> {
  protected:
    void SetUp() override { pair_ = std::make_unique<Pair>(std::get<0>(GetParam())); }
    Pair &pair() { return *pair_; }
    Direction direction() const { return std::get<1>(GetParam()); }

    void start(std::vector<std::string> options = {}) {
        options.insert(options.end(), {"--hold-down", "20"});
        pair().attach(options);
        pair().start_controller();
        ASSERT_TRUE(pair().becomes("primary"));
    }
    void restart(std::vector<std::string> options) {
        pair().kill_controller();
        ASSERT_EQ(pair().cli({"detach", "standby"}).code, 0);
        start(std::move(options));
    }

    static constexpr unsigned rate = hole_rate;
    std::unique_ptr<Pair> pair_;
};

/// At the pace of a guest that listens it would stay for a minute.
TEST_P(BlackHole, IsLeftWhileTheGuestSends) {
    start({"--probe-rest", "60000"});
    Traffic traffic(pair().bed(), rate);
    expect_hole_left("hole, guest sends", pair(), direction(), traffic);
}

TEST_P(BlackHole, IsLeftSoonerWhenTuned) {
    start();
    Traffic traffic(pair().bed(), rate);
    std::map<std::string, std::vector<double>> took; // by interval, in turns
    for (const std::string interval : {"500", "2", "500", "2"}) {
        restart({"--probe-interval", interval});
        took[interval].push_back(expect_hole_left("hole, asked every " + interval + " ms", pair(),
                                                  direction(), traffic));
    }
    EXPECT_LT(std::ranges::min(took["2"]), std::ranges::min(took["500"]));
}

/// A guest that only listens.
TEST_P(BlackHole, IsLeftByAListener) {
    start();
    Flow down(pair().bed().far(), pair().guest(),
              {.from = Testbed::far4, .to = Testbed::guest4, .rate = 2000});
    down.start();
    ASSERT_TRUE(until([&] { return down.receiver().arrivals() > 1000; }));
    const auto from = down.mark();
    const auto start_ns = now_ns();
    pair().primary().blackhole(direction(), true);
    EXPECT_TRUE(until([&] { return pair().veto().contains("black-hole"); }))
        << pair().cli({"status"}).out;
    figure("hole, guest listens", static_cast<double>(now_ns() - start_ns) / 1e6);
    // What is sent to the guest follows by itself: it says where it is.
    const auto missed = down.since(from).lost;
    EXPECT_TRUE(until([&] { return down.receiver().seen() > from + missed + 2000; }));
    pair().primary().blackhole(direction(), false);
    EXPECT_TRUE(pair().becomes("primary")) << pair().controller().out();
}

/// Somebody who has seen a question answers it a thousand times over, and makes up others.
TEST_P(BlackHole, IsLeftThoughAnswersAreForged) {
    start();
    Traffic traffic(pair().bed(), rate);
    const auto frames = forged_answers(pair());
    ASSERT_FALSE(frames.empty()) << "no question was seen";
    const auto flips = pair().status()["flips"].get<int>();
    std::atomic<std::uint64_t> sent{0};
    std::jthread forger([&](const std::stop_token &stop) {
        PacketSocket lan = in_netns(pair().bed().far(), [] { return PacketSocket("lan"); });
        for (auto next = now_ns(); !stop.stop_requested(); pace(next += 500'000)) {
            lan.send(frames[sent % frames.size()]);
            ++sent;
        }
    });
    ASSERT_TRUE(traffic.pass(10'000));
    EXPECT_EQ(pair().status()["flips"].get<int>(), flips) << "forged answers caused a switch";
    expect_hole_left("hole, answers forged", pair(), direction(), traffic);
    fmt::print("  {} forged\n", sent.load());
    EXPECT_GT(sent, 500U);
}

INSTANTIATE_TEST_SUITE_P(Nic, BlackHole,
                         testing::Combine(testing::Values(NicKind::veth, NicKind::tap),
                                          testing::Values(Direction::rx, Direction::tx,
                                                          Direction::both)),
                         [](const auto &test) {
                             return name_of(std::get<0>(test.param)) +
                                    direction_names[static_cast<int>(std::get<1>(test.param))];
                         });

} // namespace
} // namespace hitless::selftest
