// SPDX-License-Identifier: BSD-2-Clause
//
// Frames pass both paths as they are: tags, jumbo frames, segments left to the NIC.
#include "selftests/pair_test.hpp"
#include "testbed/bulk.hpp"
#include "testbed/raw.hpp"

#include <algorithm>
#include <optional>

namespace hitless::selftest {
namespace {

class Frames : public PairTest {
  protected:
    void use(const char *path) {
        const Outcome o = pair().cli({"switch", "standby", path, "--wait"});
        ASSERT_EQ(o.code, 0) << o.shown();
        ASSERT_EQ(pair().active(), path);
    }
};

struct Tagged {
    const char *name, *tags;
    std::uint16_t tpid, tci, ethertype; ///< outer tag; what the witness's ethertype is then
};
constexpr Tagged tagged[] = {
    {"802.1Q", "8100 2064", 0x8100, 0x2064, 0x88b5},
    {"802.1ad", "88a8 0065", 0x88a8, 0x0065, 0x88b5},
    {"802.1ad + 802.1Q", "88a8 0066 8100 0067", 0x88a8, 0x0066, 0x8100},
};

const std::vector<std::uint8_t> payload = from_hex("68697421");

/// The next frame with our payload; others (neighbours being found) pass by.
std::optional<CapturedFrame> next_of_ours(PacketSocket &socket,
                                          std::chrono::milliseconds patience) {
    while (auto got = socket.next(patience))
        if (!std::ranges::search(got->bytes, payload).empty()) return got;
    return {};
}

/// A tagged frame arrives with the same bytes and the same tag, and is delivered once. A witness of
/// one ethertype stands behind the datapath, but the kernel takes the tag off before it.
void expect_unchanged(const Tagged &t, const std::string &when, const Netns &from, const char *by,
                      const Netns &to, const char *on, const char *addresses) {
    PacketSocket wire = in_netns(to, [&] { return PacketSocket(on); });
    PacketSocket delivered = in_netns(to, [&] { return PacketSocket(on, t.ethertype); });
    PacketSocket sender = in_netns(from, [&] { return PacketSocket(by, 0x88b6); });
    auto frame = from_hex(fmt::format("{} {} 88b5", addresses, t.tags));
    frame.insert(frame.end(), payload.begin(), payload.end());
    frame.resize(200, 0x5a);
    sender.send(frame);
    const auto got = next_of_ours(wire, default_patience);
    ASSERT_TRUE(got) << when;
    ASSERT_TRUE(got->vlan) << when;
    EXPECT_EQ(got->vlan->tpid, t.tpid) << when;
    EXPECT_EQ(got->vlan->tci, t.tci) << when;
    frame.erase(frame.begin() + 12, frame.begin() + 16); // the outer tag is told beside
    EXPECT_EQ(to_hex(got->bytes), to_hex(frame)) << when;
    EXPECT_TRUE(next_of_ours(delivered, default_patience)) << when;
    EXPECT_FALSE(next_of_ours(delivered, 20ms)) << when << ": twice";
}

TEST_P(Frames, TagsAreUnchanged) {
    pair().attach();
    for (const char *path : {"standby", "primary"}) {
        use(path);
        for (const Tagged &t : tagged) {
            expect_unchanged(t, fmt::format("up, {} by {}", t.name, path), bed().guest(),
                             pair().master().c_str(), bed().far(), "lan",
                             "ffffffffffff 525400770002");
            expect_unchanged(t, fmt::format("down, {} by {}", t.name, path), bed().far(), "lan",
                             bed().guest(), pair().master().c_str(), "525400770002 525400770099");
        }
    }
}

TEST_P(Frames, JumboFramesPass) {
    bed().mtu(9000);
    pair().attach();
    Traffic traffic(bed(), 2'000, 8'900);
    for (const char *path : {"standby", "primary"}) {
        use(path);
        const auto sent = pair().counter(fmt::format("tx_{}", path));
        const Marks from = traffic.mark();
        ASSERT_TRUE(traffic.pass(500));
        const Both got = traffic.since(from);
        traffic.report(fmt::format("8,900 bytes by {}", path), got);
        expect_nothing_lost("jumbo", got);
        EXPECT_GE(pair().counter(fmt::format("tx_{}", path)), sent + 400);
    }
}

TEST_P(Frames, TcpIsByteExactAcrossSwitches) {
    pair().attach();
    Bulk up(bed().guest(), bed().far(), {.to = Testbed::far4, .port = 7720, .bytes_per_s = 0});
    Bulk down(bed().far(), bed().guest(), {.to = Testbed::guest6, .port = 7721, .bytes_per_s = 0});
    std::uint64_t goal = 0;
    for (const char *path : {"standby", "primary", "standby", "primary"}) {
        use(path);
        goal += 5'000'000;
        const auto up_goal = up.report().bytes + goal, down_goal = down.report().bytes + goal;
        ASSERT_TRUE(until([&] {
            return up.report().bytes > up_goal && down.report().bytes > down_goal;
        })) << path;
    }
    for (Bulk *bulk : {&up, &down}) {
        const BulkReport r = bulk->finish();
        fmt::print("  TCP {}: {} bytes, {:.0f} Mbit/s, longest stall {:.1f} ms\n",
                   bulk == &up ? "up" : "down", r.bytes, r.bytes_per_s * 8e-6,
                   static_cast<double>(r.longest_stall_ns) / 1e6);
        EXPECT_EQ(r.error, 0);
        EXPECT_FALSE(r.wrong_at) << *r.wrong_at;
    }
    // Segments were left to the NIC: far fewer frames were sent than segments are needed.
    const auto frames = pair().counter("tx_primary") + pair().counter("tx_standby");
    EXPECT_LT(frames, up.report().bytes / 1448 + down.report().bytes / 1448);
}

HL_INSTANTIATE_MODELS(Frames);

} // namespace
} // namespace hitless::selftest
