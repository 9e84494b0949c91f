// SPDX-License-Identifier: BSD-2-Clause
//
// The programs of a failover device, one frame at a time: XDP judges as tc does, on the same maps,
// and leaves to tc what it cannot carry.
#include "tests/bpf/xdp.hpp"

#include "loader/core/error.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

namespace hitless::test {
namespace {

constexpr Mac foreign = {0x02, 0, 0, 0, 0, 0x55};

struct Case {
    const char *name;
    Frame (*build)();
    int verdict;
    const char *counters; // of the primary's program
};

const Case cases[] = {
    {"UnicastForUs", [] { return frame(own_mac, peer_mac); }, XDP_REDIRECT, "rx_primary=1"},
    {"UnicastForUsFromUs", [] { return frame(own_mac, own_mac); }, XDP_REDIRECT, "rx_primary=1"},
    {"UnicastForAnother", [] { return frame(foreign, peer_mac); }, XDP_REDIRECT, "rx_primary=1"},
    {"OwnUnicastFloodedBack", [] { return frame(foreign, own_mac); }, XDP_DROP, "drop_echo=1"},
    {"Broadcast", [] { return frame(broadcast_mac, peer_mac); }, XDP_REDIRECT, "rx_primary=1"},
    {"OwnBroadcast", [] { return frame(broadcast_mac, own_mac); }, XDP_DROP, "drop_echo=1"},
    {"OwnTagged", [] { return tagged(broadcast_mac, own_mac, {7}); }, XDP_DROP, "drop_echo=1"},
    {"Runt", [] { return frame(broadcast_mac, peer_mac, 14); }, XDP_REDIRECT, "rx_primary=1"},
    {"InSeveralPieces", [] { return frame(broadcast_mac, peer_mac, 9000); }, XDP_REDIRECT,
     "rx_primary=1"},
};

TEST(Forward, ReceivedFramesAreJudgedAsTcDoes) {
    for (const Case &c : cases) {
        Forward forward;
        EXPECT_EQ(forward.in(HL_ROLE_PRIMARY, c.build()), c.verdict) << c.name;
        EXPECT_EQ(forward.pair.dp.counters(), c.counters) << c.name;
    }
}

// Tagged frames in BPF_PROG_RUN keep their tag inside for tc too, unlike received ones: selftests
// have those.
TEST(Forward, ATwinIsATwinWhicheverHookSawTheFirst) {
    for (size_t size : {size_t{14}, size_t{15}, size_t{60}, size_t{269}, size_t{3000}}) {
        const Frame bytes = frame(broadcast_mac, peer_mac, size);
        Forward forward;
        EXPECT_TRUE(forward.pair.delivered(HL_ROLE_PRIMARY, bytes));
        EXPECT_EQ(forward.in(HL_ROLE_STANDBY, bytes), XDP_DROP) << size;
        EXPECT_EQ(forward.in(HL_ROLE_STANDBY, bytes), XDP_REDIRECT) << size;
        EXPECT_FALSE(forward.pair.delivered(HL_ROLE_PRIMARY, bytes)) << size;
        EXPECT_EQ(forward.pair.dp.counted(HL_COUNT_DROP_TWIN), 2u);
    }
}

TEST(Forward, TwinsAreFoundByEveryByteAndTheTag) {
    Frame last = frame(broadcast_mac, peer_mac, 9000); // in several pieces
    const Frame frames[] = {last, tagged(broadcast_mac, peer_mac, {7}),
                            tagged(broadcast_mac, peer_mac, {7, 8})};
    last.back() ^= 1;
    Forward forward;
    for (const Frame &bytes : frames)
        EXPECT_EQ(forward.in(HL_ROLE_PRIMARY, bytes), XDP_REDIRECT);
    EXPECT_EQ(forward.in(HL_ROLE_STANDBY, last), XDP_REDIRECT);
    for (const Frame &bytes : frames)
        EXPECT_EQ(forward.in(HL_ROLE_STANDBY, bytes), XDP_DROP);
}

TEST(Forward, DifferentTagsAreNoTwins) {
    Forward forward;
    EXPECT_EQ(forward.in(HL_ROLE_PRIMARY, tagged(broadcast_mac, peer_mac, {7})), XDP_REDIRECT);
    EXPECT_EQ(forward.in(HL_ROLE_STANDBY, tagged(broadcast_mac, peer_mac, {8})), XDP_REDIRECT);
    EXPECT_EQ(forward.in(HL_ROLE_STANDBY, frame(broadcast_mac, peer_mac)), XDP_REDIRECT);
}

TEST(Forward, WithoutAnInnerEndTheNicsArePlainNics) {
    Forward forward;
    forward.no_port(HL_PORT_INNER);
    EXPECT_EQ(forward.in(HL_ROLE_PRIMARY, frame(own_mac, peer_mac)), XDP_PASS);
    EXPECT_EQ(forward.in(HL_ROLE_STANDBY, frame(broadcast_mac, own_mac)), XDP_PASS);
    EXPECT_EQ(
        forward.run(forward.skel().progs.hl_inward_primary_probe_read, frame(own_mac, peer_mac)),
        TC_ACT_UNSPEC);
    EXPECT_EQ(forward.pair.dp.counters(), "");
}

TEST(Forward, ANicThatWasMovedAwayIsNotOurs) {
    Forward forward;
    forward.no_port(HL_ROLE_PRIMARY);
    EXPECT_EQ(forward.in(HL_ROLE_PRIMARY, frame(own_mac, peer_mac)), XDP_PASS);
}

TEST(Forward, OutwardChoosesTheDevmapSlotByTheVetoWord) {
    Forward forward;
    forward.pair.dp.pair().native = 3;
    EXPECT_EQ(forward.out(), XDP_REDIRECT);
    forward.pair.dp.pair().veto = HL_VETO(OPERATOR);
    EXPECT_EQ(forward.out(), XDP_REDIRECT);
    EXPECT_EQ(forward.pair.dp.counters(), "tx_primary=1 tx_standby=1");
}

TEST(Forward, OutwardLeavesToTcWhatANicCannotTake) {
    Forward forward;
    forward.pair.dp.pair().native = 1 << HL_ROLE_STANDBY;
    EXPECT_EQ(forward.out(), XDP_PASS);
    EXPECT_EQ(forward.pair.dp.counters(), "") << "tc counts it";
    EXPECT_EQ(forward.run(forward.skel().progs.hl_outward_probe_read, Frame(64, 0)),
              TC_ACT_REDIRECT);
    EXPECT_EQ(forward.pair.dp.counters(), "tx_primary=1");
}

TEST(Forward, OutwardLatchesAPrimaryThatIsDown) {
    Forward forward(std::make_shared<Bed>());
    forward.pair.dp.pair().native = 3;
    ip("link set pri down");
    EXPECT_EQ(forward.out(), XDP_REDIRECT);
    EXPECT_EQ(forward.pair.dp.pair().veto, HL_VETO(DOWN_SEEN));
    EXPECT_EQ(forward.pair.dp.counters(), "tx_standby=1");
}

struct Gated {
    int verdict;
    uint32_t marked; // bytes before the frame
};

Gated gate(const Forward &forward, const Frame &frame) {
    xdp_md in = {}, out = {};
    in.data_end = static_cast<uint32_t>(frame.size());
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()), .ctx_in = &in, .ctx_out = &out,
                .ctx_size_in = sizeof(in), .ctx_size_out = sizeof(out));
    if (int error = bpf_prog_test_run_opts(bpf_program__fd(forward.skel().progs.hl_gate), &opts))
        throw Error(-error, "run the gate");
    return {static_cast<int>(opts.retval), out.data - out.data_meta};
}

TEST(Gate, DropsTwinsAndEchoesAndMarksWhatItJudged) {
    Forward forward;
    const Frame flooded = frame(broadcast_mac, peer_mac);
    EXPECT_EQ(gate(forward, flooded).verdict, XDP_PASS);
    EXPECT_EQ(gate(forward, frame(multicast_mac, peer_mac)).marked, 4u);
    EXPECT_FALSE(forward.pair.delivered(HL_ROLE_PRIMARY, flooded));
    EXPECT_TRUE(forward.pair.delivered(HL_ROLE_PRIMARY, flooded));
    EXPECT_EQ(gate(forward, flooded).verdict, XDP_DROP);
    EXPECT_EQ(gate(forward, frame(broadcast_mac, own_mac)).verdict, XDP_DROP);
    EXPECT_EQ(forward.pair.dp.counted(HL_COUNT_DROP_TWIN), 2u);
    EXPECT_EQ(forward.pair.dp.counted(HL_COUNT_DROP_ECHO), 1u);
    EXPECT_EQ(forward.pair.dp.counted(HL_COUNT_RX_STANDBY), 0u) << "tc counts those";
}

TEST(Gate, LeavesUnicastForUsUntouched) {
    Forward forward;
    const Gated got = gate(forward, frame(own_mac, peer_mac));
    EXPECT_EQ(got.verdict, XDP_PASS);
    EXPECT_EQ(got.marked, 0u);
}

} // namespace
} // namespace hitless::test
